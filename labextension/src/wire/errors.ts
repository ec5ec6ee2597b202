/** What can go wrong between panel and server, as one small tree: WireError ← Unreachable, Refused, Unreadable. */

export interface IFieldError {
  field: string;
  code: string;
  message: string;
}

/** Anything that went wrong with a request; its message is a sentence for people. */
export class WireError extends Error {}

/** No answer: the server is gone, the network is, or the login ended. */
export class Unreachable extends WireError {}

/** An answer that is not what the contract says, so that it must not be drawn. */
export class Unreadable extends WireError {}

/** The server understood and said no. */
export class Refused extends WireError {
  constructor(
    readonly status: number,
    message: string,
    readonly reason: string,
    readonly errors: IFieldError[]
  ) {
    super(message);
  }

  /** What is wrong with one field, if anything is. */
  of(field: string): string | undefined {
    return this.errors.find(error => error.field === field)?.message;
  }
}

/** Say an error in one sentence, whatever was thrown. */
export function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
