/** A request that is answered with a 4xx: what was wrong, in one line. Nothing was changed. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
