/** What can be measured, in the order in which it is. */
import { CEILING_SEARCH } from './ceiling-search.ts';
import { DRAIN_GROUPS } from './drain-groups.ts';
import { LARGE_GROUPS } from './large-groups.ts';
import { NODE_GROUPS } from './node-groups.ts';
import type { PlannedGroup } from './planned-group.ts';
import { POISON_GROUP } from './poison-group.ts';

export const PLAN: readonly PlannedGroup[] = [
  ...CEILING_SEARCH,
  ...DRAIN_GROUPS,
  POISON_GROUP,
  ...NODE_GROUPS,
  ...LARGE_GROUPS,
];
