import type { ProviderButton } from '../../federated/models.js';
import type { Problem } from '../../page-models.js';
import type { AccountFrame } from '../door.js';

/** A word under `linked_done.*`: what the page says came of it. */
export type LinkedDone = 'added' | 'there' | 'removed' | 'taken' | 'again' | 'over' | 'failed';

/** An account elsewhere that lets its owner in here. */
export interface ShownLink {
  readonly id: string;
  readonly provider: string;
  /** The address there, as its provider says. */
  readonly email?: string;
  readonly cameBy: 'opened' | 'proved' | 'added' | 'merged';
  readonly since: Date;
  readonly usedAt?: Date;
  /** It lets nobody in at the moment: its provider was turned off. */
  readonly off: boolean;
}

/** `/account/linked`: each of `offered` posts to `/account/linked/add/<id>`. */
export interface LinkedPage extends AccountFrame {
  readonly done?: LinkedDone;
  readonly links: readonly ShownLink[];
  readonly offered: readonly ProviderButton[];
}

/** Something that a provider sent, as it was sent. */
export interface SentClaim {
  readonly name: string;
  readonly value: string;
}

/** Something of the profile that came from there, and what it is held for. */
export interface TakenValue {
  readonly label: string;
  readonly purpose: string;
}

/** `/account/linked/:id`: removing posts to `…/remove`. */
export interface LinkPage extends AccountFrame {
  readonly one: ShownLink;
  readonly problems: readonly Problem[];
  readonly last: boolean;
  /** What came with the latest sign-in; undefined where nothing is known of it. */
  readonly sent: readonly SentClaim[] | undefined;
  readonly taken: readonly TakenValue[];
}

/** The pages of this topic. */
export interface LinkedPages {
  readonly 'account/linked': LinkedPage;
  readonly 'account/link': LinkPage;
}
