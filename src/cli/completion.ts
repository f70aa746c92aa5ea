/**
 * Completion scripts, made from the catalogue: verbs, their flags, and what stands behind those; nothing needs the
 * program to run.
 *
 * Invariants: I1 a verb or flag added to the catalogue is completed without anything else being written. I2 the value of a
 * flag is never taken for a verb. I3 both shells walk the line in the same way; zsh shows what each thing is for.
 */
import { ALARM_KINDS } from "../contract/requests.ts";
import type { CommandSpec, FlagSpec } from "./catalogue.ts";
import { GROUPS } from "./catalogue.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";

export type ShellName = "bash" | "zsh";

/** The script for `shell`. */
export function completionScript(shell: ShellName, commands: readonly CommandSpec[]): string {
  const places = placesOf(commands);
  return shell === "bash" ? bash(places) : zsh(places);
}

/** A word that may come next, and what it is for. */
type Offer = readonly [word: string, meaning: string];

/** What may come after the words that lead to a verb, or to a group of verbs. */
interface Place {
  readonly words: Map<string, string>;
  readonly flags: Map<string, Flag>;
  /** What its operands are: files, or a command after `--`. */
  operands: string;
}
interface Flag {
  readonly meaning: string;
  /** What stands behind it; none for a switch. */
  readonly value: string | undefined;
}
type Places = ReadonlyMap<string, Place>;

/** Values of flags that are a choice. */
const FLAG_CHOICES: Readonly<Record<string, string>> = { "--output|-o": "table json" };
/** Operands that are a choice, by verb. */
const OPERAND_CHOICES: Readonly<Record<string, readonly string[]>> = {
  completion: ["bash", "zsh"],
  "alarm clear": ALARM_KINDS,
};

const HELP: FlagSpec = { usage: "-h, --help", meaning: "what it takes, with examples" };

function placesOf(commands: readonly CommandSpec[]): Places {
  const places = new Map<string, Place>();
  const at = (path: string): Place => {
    const known = places.get(path);
    if (known !== undefined) return known;
    const place: Place = { words: new Map(), flags: new Map(), operands: "" };
    for (const flag of [...GLOBAL_FLAGS, HELP]) addFlag(place, flag);
    places.set(path, place);
    return place;
  };
  for (const { path, summary, flags, operands } of commands) {
    const words = path.split(" ");
    for (const [depth, word] of words.entries()) {
      const group = depth < words.length - 1;
      const above = at(words.slice(0, depth).join(" "));
      if (!group || !above.words.has(word))
        above.words.set(word, group ? (GROUPS[word] ?? word) : summary);
    }
    const place = at(path);
    place.operands = operands;
    for (const flag of flags) addFlag(place, flag);
  }
  const help = places.get("help");
  for (const [word, meaning] of places.get("")?.words ?? []) help?.words.set(word, meaning);
  return places;
}

function addFlag({ flags }: Place, { usage, meaning }: FlagSpec): void {
  const value = /<([^>]+)>/.exec(usage)?.[1]?.toLowerCase();
  for (const [name] of usage.matchAll(/(?<=^|, )--?[a-z][a-z0-9-]*/g))
    flags.set(name, { meaning, value });
}

/** The flags of any verb behind which `value` stands. */
function flagsWith(places: Places, value: (text: string) => boolean): readonly string[] {
  const found = new Set<string>();
  for (const { flags } of places.values())
    for (const [name, flag] of flags)
      if (flag.value !== undefined && value(flag.value)) found.add(name);
  return [...found].sort();
}

/** Names of files stand behind it. */
const isFile = (value: string): boolean => /^(file|dir)$/.test(value);

/** The one operand of a verb: `<file>`, `[file]`. */
const operandOf = ({ operands }: Place): string => operands.replaceAll(/[<>[\]]/g, "");
const runsCommand = ({ operands }: Place): boolean => operands.includes("[command...]");

function bash(places: Places): string {
  const pattern = (names: readonly string[]): string => names.join("|");
  const cases = [...places].map(([path, place]) => {
    const words = [...place.words.keys(), ...(OPERAND_CHOICES[path] ?? [])];
    const flags = [...place.flags.keys()].filter((name) => name.startsWith("--"));
    return `    "${path}") words="${words.sort().join(" ")}" flags="${flags.sort().join(" ")}" ;;`;
  });
  const choices = Object.entries(FLAG_CHOICES).map(
    ([names, words]) => `    ${names}) words="${words}" ;;`,
  );
  return `# eval "$(quorate completion bash)"
_quorate() {
  # The shell's own words end at a colon, which urls have.
  local line="\${COMP_LINE:0:COMP_POINT}" current="" verb="" value="" word words="" flags=""
  local -a given
  read -ra given <<<"$line"
  case "$line" in
    *[[:space:]]) ;;
    *) current="\${given[\${#given[@]} - 1]}"; unset "given[\${#given[@]} - 1]" ;;
  esac
  for word in "\${given[@]:1}"; do
    if [ -n "$value" ]; then value=""; continue; fi
    case "$word" in
      ${pattern(flagsWith(places, () => true))}) value="$word" ;;
      -*) ;;
      *) case "\${verb:+$verb }$word" in
        ${pathPattern(places)}) verb="\${verb:+$verb }$word" ;;
      esac ;;
    esac
  done
  case "$verb" in
${cases.join("\n")}
  esac
  case "$value" in
    "") case "$current" in -*) words="$flags" ;; esac ;;
${choices.join("\n")}
    *) words="" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _quorate quorate`;
}

/** All words that lead to a verb or a group, as a pattern of either shell. */
function pathPattern(places: Places): string {
  return [...places.keys()]
    .filter((path) => path !== "")
    .map((path) => (path.includes(" ") ? `"${path}"` : path))
    .join("|");
}

function zsh(places: Places): string {
  const pattern = (names: readonly string[]): string => `(${names.join("|")})`;
  const listed = (offers: readonly Offer[]): string =>
    offers.map(([word, meaning]) => quoted(`${word}:${meaning}`)).join(" ");
  const cases = [...places].map(([path, place]) => {
    const words = [...place.words];
    const choices = OPERAND_CHOICES[path] ?? [];
    const flags = [...place.flags].map(([name, { meaning }]): Offer => [name, meaning]);
    const operands = isFile(operandOf(place)) ? " operands=files" : "";
    const all = [...words, ...choices.map((word): Offer => [word, operandOf(place)])];
    return `    (${quoted(path)}) offers=(${listed(all)}) flags=(${listed(flags)})${operands} ;;`;
  });
  const choices = Object.entries(FLAG_CHOICES).map(
    ([names, words]) => `      (${names}) compadd -- ${words} ;;`,
  );
  const running = [...places].filter(([, place]) => runsCommand(place)).map(([path]) => path);
  return `#compdef quorate
# eval "$(quorate completion zsh)", or this as the file _quorate in a directory of $fpath.
_quorate() {
  local verb='' value='' word operands=''
  local -i at
  local -a offers flags
  for ((at = 2; at < CURRENT; at++)); do
    word=$words[at]
    if [[ -n $value ]]; then value=''; continue; fi
    case $word in
      (--) if [[ $verb == ${pattern(running)} ]]; then
          shift $at words; ((CURRENT -= at)); _normal; return
        fi ;;
      ${pattern(flagsWith(places, () => true))} value=$word ;;
      (-*) ;;
      (*) case "\${verb:+$verb }$word" in
        (${pathPattern(places)}) verb="\${verb:+$verb }$word" ;;
      esac ;;
    esac
  done
  case $verb in
${cases.join("\n")}
  esac
  if [[ -z $value && $PREFIX == --*=* ]]; then value=\${PREFIX%%=*}; compset -P 1 '*='; fi
  if [[ -n $value ]]; then
    case $value in
${choices.join("\n")}
      ${pattern(flagsWith(places, isFile))} _files ;;
      (*) _message "value of $value" ;;
    esac
  elif [[ $PREFIX == -* ]]; then
    _describe -o flag flags
  elif (( $#offers )); then
    _describe -t verbs verb offers
  elif [[ $operands == files ]]; then
    _files
  else
    _message operand
  fi
}
if [[ $funcstack[1] == _quorate ]]; then
  _quorate "$@"
else
  # Only where nothing has begun to complete yet, and without asking about directories of others.
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }
  compdef _quorate quorate
fi`;
}

/** As one word of zsh. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
