/** issue words what is wrong with a text from outside, in few words however much of it is wrong. */
import * as v from "valibot";

/** A megabyte of mistakes would otherwise become gigabytes of explanation. */
export const firstIssueOnly = { abortEarly: true } as const;

const wordsMaxLength = 300;

/** The words quote what was received, which may be long. */
export const wordIssue = (issues: [v.BaseIssue<unknown>, ...v.BaseIssue<unknown>[]]): string =>
  v.summarize([issues[0]]).slice(0, wordsMaxLength);
