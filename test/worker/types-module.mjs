/** Schemas by type, as a user writes them. */
import { z } from 'zod';

export default {
  UserProfile: z.object({
    username: z.string(),
    score: z.number().default(0),
    address: z.object({ zip: z.number() }).optional(),
  }),
};
