/**
 * The decisions on which the reply rule rests, by name: a check can replace one by a known mistake to show that it would
 * find it. Nothing else passes any but `REPLICA_RULES`.
 */
export interface ReplicaRules {
  /** An answer waits for the newest entry that its evaluation could have read. */
  readonly waitsForCommit: boolean;
  /** One that wrote nothing waits for a check of leadership that began after the evaluation. */
  readonly confirmsLeadership: boolean;
  /** Nothing is evaluated before the first entry of the own term is applied. */
  readonly waitsForOwnTerm: boolean;
  /** Where an entry stands is known when it is closed, not when it is opened: a configuration may come between. */
  readonly indexWhenSealed: boolean;
  /** The open entry is closed before the members change. */
  readonly sealsFirst: boolean;
  /** A leader begins to evaluate on what is committed by then, not on what was when it last did. */
  readonly startsFromBase: boolean;
  /** A leader lets every lease begin its time anew: renewals are known to who granted them only. */
  readonly extendsLeases: boolean;
  /** What a later term commits is no answer to what was closed in this one, though it may stand where that stood. */
  readonly answersOwnTerm: boolean;
  /** What was evaluated and not committed is dropped with the leadership. */
  readonly rollsBack: boolean;
}

export const REPLICA_RULES: ReplicaRules = {
  waitsForCommit: true,
  confirmsLeadership: true,
  waitsForOwnTerm: true,
  indexWhenSealed: true,
  sealsFirst: true,
  startsFromBase: true,
  extendsLeases: true,
  answersOwnTerm: true,
  rollsBack: true,
};
