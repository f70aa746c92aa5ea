/** The version of this implementation, as it tells others. */
export const VERSION = "0.1.0";
