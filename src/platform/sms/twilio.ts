import { z } from 'zod';
import { NotTakenOver } from '../jobs/delivery.js';
import type { Outbound } from '../outbound.js';
import type { NumberedSms } from './text.js';

/** An account with Twilio, as its console shows it. */
export interface TwilioSettings {
  readonly account: string;
  readonly secret: string;
  /** A number in E.164, an alphanumeric sender, or the SID of a messaging service. */
  readonly from: string;
  readonly api: URL;
}

const acceptedSchema = z.object({ sid: z.string(), status: z.string() });
const refusedSchema = z.object({ code: z.int().optional() });

/* Wrong credentials, too many at once, and whatever is wrong over there may be right in a minute. */
const PASSING = new Set([401, 403, 404, 405, 408, 429]);

/**
 * Hands a text message over by Twilio's HTTP API: https://www.twilio.com/docs/messaging/api/message-resource for what is
 * sent, https://www.twilio.com/docs/usage/twilios-response for what is answered.
 */
export async function sendByTwilio(
  outbound: Pick<Outbound, 'fetch'>,
  { account, secret, from, api }: TwilioSettings,
  sms: NumberedSms,
  signal?: AbortSignal,
): Promise<void> {
  const about = `sms ${sms.id} was not taken over`;
  const asked = outbound.fetch(new URL(`/2010-04-01/Accounts/${account}/Messages.json`, api), {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${account}:${secret}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'application/json',
    },
    body: new URLSearchParams({ To: sms.to, ...senderOf(from), Body: sms.text }).toString(),
    timeout: 15_000,
    ...(signal && { signal }),
  });
  const answer = await asked.catch(() => {
    throw new NotTakenOver(about, 'unreachable', false);
  });
  const body: unknown = await answer.json().catch(() => undefined);
  if (answer.status >= 200 && answer.status < 300) {
    const accepted = acceptedSchema.safeParse(body);
    if (accepted.success && accepted.data.status !== 'failed') return;
    throw new NotTakenOver(about, 'twilio unreadable', false);
  }
  const code = refusedSchema.safeParse(body).data?.code ?? answer.status;
  const refused = answer.status >= 400 && answer.status < 500 && !PASSING.has(answer.status);
  throw new NotTakenOver(about, `twilio ${code}`, refused, refused);
}

function senderOf(from: string): Readonly<Record<string, string>> {
  return /^MG[0-9a-fA-F]{32}$/.test(from) ? { MessagingServiceSid: from } : { From: from };
}
