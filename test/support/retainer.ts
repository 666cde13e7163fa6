import { openSchema, sweepProfiles } from '../../src/domain/profiles/profiles.js';
import { tellOfEnding } from '../../src/journeys/manage/profile/tell.js';
import { openDatabase } from '../../src/platform/storage/db.js';
import { sagaOf } from './deletion.js';

// A process that tells of values that end and removes those that have, as if so many milliseconds had passed, until it is done or killed.

const [url = '', secret = '', issuer = '', later = '0'] = process.argv.slice(2);
const db = openDatabase(url);
const { telling, signal } = sagaOf({ db, config: { issuer: new URL(issuer), secret } }, 0);
process.stdout.write('begins\n');
await sweepProfiles({
  db,
  schema: () => openSchema(db),
  now: () => new Date(Date.now() + Number(later)),
  tellEnding: (work, ending) => tellOfEnding(work, telling, ending),
}).run({}, { id: '1', attempt: 1, last: false, signal });
await db.destroy();
