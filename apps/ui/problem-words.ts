import type { ApiProblem } from '#api';

/**
 * A problem for whoever buys or sells. What is wrong inside the shop, and in which of its services, is for those who run it:
 * they have the console. `isRepeated`: nobody has to try again by hand.
 */
export function problemWords(problem: ApiProblem, isRepeated = false): string {
  if (isAway(problem)) {
    return `A part of the shop does not answer just now.${isRepeated ? '' : ' Try again in a moment.'}`;
  }
  return withHint(problem);
}

/**
 * A problem for those who run the shop: what is wrong and what to do, whichever part it is. Where a part is away there is a
 * button that asks again, and the hint is for programs: of keys and headers.
 */
export function problemDetails(problem: ApiProblem): string {
  return isAway(problem) && problem.mayRepeat ? sentence(problem) : withHint(problem);
}

const isAway = ({ status }: ApiProblem): boolean => status === 0 || status >= 500;
const sentence = ({ message }: ApiProblem): string => `${message.replace(/\.$/, '')}.`;
const withHint = (problem: ApiProblem): string => `${sentence(problem)} ${problem.hint}`;
