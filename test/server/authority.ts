/** A certificate authority of a test, by openssl: keys and certificates are made anew in each run. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** Paths of a certificate and its key. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}

export class Authority {
  readonly #directory: string;
  readonly cert: string;

  constructor(directory: string) {
    mkdirSync(directory);
    this.#directory = directory;
    this.cert = join(directory, "ca.pem");
    const subject = ["-subj", "/CN=authority", "-days", "2"];
    this.#openssl("req", "-x509", ...NEW_KEY, "-keyout", "ca.key", "-out", "ca.pem", ...subject);
    const settings = ["database=index.txt", "crlnumber=number", "default_md=sha256"];
    const signer = ["default_crl_days=1", "certificate=ca.pem", "private_key=ca.key"];
    const text = ["[ca]", "default_ca=d", "[d]", ...settings, ...signer, ""].join("\n");
    writeFileSync(join(directory, "ca.cnf"), text);
    writeFileSync(join(directory, "index.txt"), "");
    writeFileSync(join(directory, "number"), "01\n");
  }

  /** A certificate for `names`; with `days` below zero one that has expired. */
  issue(name: string, names = "DNS:localhost,IP:127.0.0.1", days = 1): Identity {
    const at = (suffix: string): string => `${name}.${suffix}`;
    writeFileSync(join(this.#directory, at("ext")), `subjectAltName=${names}\n`);
    const subject = ["-subj", `/CN=${name}`];
    this.#openssl("req", ...NEW_KEY, "-keyout", at("key"), "-out", at("csr"), ...subject);
    const by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
    const made = ["-days", String(days), "-extfile", at("ext"), "-out", at("pem")];
    this.#openssl("x509", "-req", "-in", at("csr"), ...by, ...made);
    return { cert: join(this.#directory, at("pem")), key: join(this.#directory, at("key")) };
  }

  /** The path of a list that says that `identities` are revoked. */
  revoke(...identities: readonly Identity[]): string {
    for (const { cert } of identities) this.#openssl("ca", "-config", "ca.cnf", "-revoke", cert);
    this.#openssl("ca", "-config", "ca.cnf", "-gencrl", "-out", "crl.pem");
    return join(this.#directory, "crl.pem");
  }

  #openssl(...args: readonly string[]): void {
    execFileSync("openssl", args, { cwd: this.#directory, stdio: "pipe" });
  }
}

/** Why tests with certificates cannot run here, or false. */
export function noOpenssl(): string | false {
  try {
    execFileSync("openssl", ["version"], { stdio: "pipe" });
    return false;
  } catch {
    return "openssl is not installed";
  }
}
