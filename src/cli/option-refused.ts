/** An option whose value fits nothing that there is. Its message says which option, which value, and what there is. */
import { Problem, type ProblemCode } from '../kernel/problem.ts';

export class OptionRefused extends Problem {
  override name = 'OptionRefused';
  /** Instead of the advice of its code, which is about ids in requests. */
  readonly advice: string;

  /** `choices`: a line each */
  constructor(code: ProblemCode, reason: string, advice: string, choices: readonly string[]) {
    super(
      code,
      `${reason} ${advice}${choices.length > 0 ? ':' : '.'}${choices.map((one) => `\n  ${one}`).join('')}`,
    );
    this.advice = `${advice}.`;
  }
}
