import type { JobDefinition } from '../platform/jobs/jobs.js';
import type { Db } from '../platform/storage/db.js';
import { advanceKeysForSaml } from './keys.js';
import { sweepSamlRequests } from './requests.js';

export { tellBySoap } from './jobs.js';
export { openSamlKeys } from './keys.js';
export { signOnRoutes } from './routes.js';
export { tellByBrowser, wayByApps } from './telling.js';

/** What happens later to keys and requests. */
export const samlJobs = (db: Db): readonly JobDefinition[] => [advanceKeysForSaml(db), sweepSamlRequests(db)];
