/** Readers of flag values for commander: each returns the value or says, on one line, what is allowed. */
import { InvalidArgumentError } from 'commander';
import { INTEGER_MAX } from '../contract/limits.ts';

/** A whole number within bounds. */
export function wholeNumber(min: number, max: number = INTEGER_MAX): (text: string) => number {
  return (text) => {
    const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

/** A number of seconds, fractions allowed. */
export function seconds(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^[0-9]+(?:\.[0-9]+)?$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a number of seconds from ${min} to ${max}.`);
  };
}

/** A number of seconds as timers take it; only here, since 16.1 * 1,000 is not 16,100. */
export function millisecondsOf(secondsGiven: number): number {
  return Math.round(secondsGiven * 1_000);
}

/** One of a few words. */
export function choice<Word extends string>(...words: readonly Word[]): (text: string) => Word {
  return (text) => {
    const word = words.find((each) => each === text);
    if (word !== undefined) return word;
    throw new InvalidArgumentError(`It must be ${words.join(' or ')}.`);
  };
}
