import { lookAfterDeletions } from '../../src/journeys/privacy/deletion/job.js';
import { openDatabase } from '../../src/platform/storage/db.js';
import { sagaOf } from './deletion.js';

// A process that takes the steps of deletions that are due, as if so many milliseconds had passed, until it is done or killed.

const [url = '', secret = '', issuer = '', later = '0', erasedList = ''] = process.argv.slice(2);
const db = openDatabase(url);
const config = { issuer: new URL(issuer), secret };
const { now: _, signal, ...options } = sagaOf({ db, config }, Number(later), { erasedList, batch: 5 });
const clock = () => new Date(Date.now() + Number(later));
await lookAfterDeletions({ ...options, clock }).run({}, { id: '1', attempt: 1, last: false, signal });
await db.destroy();
