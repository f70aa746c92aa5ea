# Types each argument after the first into an interactive zsh that has read the completion script (the first argument),
# presses Tab, and prints what came of it: `> TYPED`, what was offered, and `= LINE`, the line as it then stands.
zmodload zsh/zpty
script=$1
shift
# What the inner shell does: it notes what is offered, and says what its line is between two control characters.
cat > $HOME/inner.zsh <<'INNER'
PS1= RPS1=
unsetopt beep
LISTMAX=100000
. $SCRIPT
compadd() {
  # Calls that only ask, as those of _describe do, add nothing.
  if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return; fi
  local -a found
  builtin compadd -A found "$@"
  print -rl -- $found >> $HOME/offered
  builtin compadd "$@"
}
state() { print -rn -- $'\2'$BUFFER$'\3'; BUFFER= }
zle -N state
bindkey '^X^B' state
bindkey '^I' complete-word
print -n '\2\3'
INNER
zpty inner "SCRIPT=${(q)script} zsh -f -i"
zpty -w inner ". $HOME/inner.zsh"
zpty -r inner seen $'*\2\3*' || exit 1
for typed in "$@"; do
  : > $HOME/offered
  zpty -w -n inner "$typed"$'\t\x18\x02'
  zpty -r inner seen $'*\2*\3*' || exit 1
  print -r -- "> $typed"
  sort -u $HOME/offered
  print -r -- "= ${${seen##*$'\2'}%%$'\3'*}"
done
zpty -d inner
