/** One broken invariant, with what is needed to look into it. */
export interface Violation {
  invariant: 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I7' | 'I8' | 'I9' | 'I10' | 'I13';
  what: string;
  /** Ids and times. */
  [fact: string]: unknown;
}
