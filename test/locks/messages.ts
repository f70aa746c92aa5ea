/** What contenders and the checking resource say to each other. */
export interface FromContender {
  readonly id: number;
  readonly kind: "enter" | "leave" | "late";
  readonly token: number;
  readonly holder: string;
  readonly aborted?: boolean;
  readonly code?: string;
}

export interface ToContender {
  readonly id: number;
  readonly more: boolean;
}
