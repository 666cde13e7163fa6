import type { Derived } from '../domain/profiles/profiles.js';
import type { PageFrame } from '../platform/web/render.js';
import type { DeviceGrantPages } from './device-grant/models.js';
import type { FederatedPages, WithProviders } from './federated/models.js';
import type { TrialPages } from './federated/trial-models.js';
import type { MailboxPages } from './home/mailbox-models.js';
import type { ConnectedPages } from './manage/apps/models.js';
import type { ContactsPages } from './manage/contacts/models.js';
import type { DeletePages } from './manage/deletion/models.js';
import type { DevicesPages } from './manage/devices/models.js';
import type { DisclosuresPages } from './manage/disclosures/models.js';
import type { HistoryPages } from './manage/history/models.js';
import type { LinkedPages } from './manage/linked/models.js';
import type { MergePages } from './manage/merge/models.js';
import type { MessagesPages } from './manage/messages/models.js';
import type { OldPhonePages } from './manage/move/models.js';
import type { OverviewPages } from './manage/overview/models.js';
import type { PreferencesPages } from './manage/preferences/models.js';
import type { ProfilePages } from './manage/profile/models.js';
import type { SigningInPages } from './manage/signing-in/models.js';
import type { YourDataPages } from './manage/yours/models.js';
import type { MessagePageModels } from './messages/models.js';
import type { MovePages } from './move/models.js';
import type { NoticePages } from './notices/models.js';
import type { DeletionPages } from './privacy/deletion/models.js';
import type { ExportPages } from './privacy/models.js';
import type { Problem } from './problem.js';
import type { QuestionPages } from './questions/models.js';
import type { ReceiptPages } from './receipts/models.js';
import type { Held } from './recovery/lost/gone.js';
import type { LostPages } from './recovery/lost/models.js';
import type { SecondStepPages } from './second-step/models.js';
import type { StepNotice } from './sign-in/models.js';

export type { FieldName, Problem, ProblemWord } from './problem.js';

/** The application a request came from, as every page may show it. */
export interface AppBadge {
  readonly name: string;
  /** A path on our own origin, `/clients/:id/logo`. */
  readonly logo?: string;
}

/** From where, when and by which browser something was asked. */
export interface Asked {
  readonly at: Date;
  readonly app?: string;
  /** "Firefox · Windows". */
  readonly device?: string;
  readonly address?: string;
  /** The country the address is in, in two letters. */
  readonly country?: string;
}

/** Somebody who is signed in in this browser. */
export interface ShownPerson {
  readonly id: string;
  readonly name?: string;
  readonly email: string;
  readonly initial: string;
}

/** A page whose form may come back. */
export interface Form {
  readonly problems?: readonly Problem[];
}

/** A page of a pending request. */
export interface Step extends Form {
  readonly uid: string;
  readonly app: AppBadge;
  readonly notice?: StepNotice;
  /** What a notice about an identity provider calls it. */
  readonly broughtFrom?: string;
}

/** `/`: who is here, what to try, the way out. */
export interface HomePage {
  readonly people: readonly ShownPerson[];
  readonly apps?: readonly { readonly name: string; readonly url: string; readonly logo?: string }[];
  /** Only outside production: the example application and the mailbox. */
  readonly tryUrl?: string;
  readonly mailboxUrl?: string;
  readonly discoveryUrl: string;
}

/** Whoever is signed in here: each posts `account` to `…/choose`. Without `otherUrl` there is room for nobody else. */
export interface ChooseAccountPage extends Step {
  readonly people: readonly ShownPerson[];
  readonly otherUrl?: string;
  readonly most: number;
}

/** `/apps`: the apps that a person can start here. */
export interface AppsPage {
  readonly apps: readonly {
    readonly name: string;
    /** Where it is, or else the form that starts it. */
    readonly url?: string;
    readonly start?: string;
    readonly logo?: string;
  }[];
  readonly nextUrl?: string;
}

/** The first step of signing in. Posts `email` to `…/identifier`. */
export interface IdentifierPage extends Step, WithProviders {
  readonly email?: string;
  readonly signUpUrl: string;
  /** Back to the accounts that are signed in here. */
  readonly chooseUrl?: string;
}

/** Posts `password` to `…/password`; "Change" posts to `…/back`; the e-mailed code to `…/code/send`. */
export interface PasswordPage extends Step, WithProviders {
  readonly email: string;
  readonly emailCode: boolean;
}

/** Posts `code` to `…/code`; "Send a new code" to `…/code/send`; "Use a different email" to `…/back`. */
export interface CodePage extends Step {
  readonly email: string;
  readonly minutes: number;
  /** `ended`: too many wrong codes; `over`: used, replaced or turned down. */
  readonly state: 'open' | 'expired' | 'ended' | 'over';
  /** A new code has just been sent. */
  readonly sentAgain?: boolean;
}

/** Posts `email` to `…/sign-up`. */
export interface SignUpEmailPage extends Step, WithProviders {
  readonly email?: string;
  readonly signInUrl: string;
}

/** Posts `password`, `name`, `terms=yes` to `…/account`; or a passkey to `…/passkey/new`. */
export interface CredentialPage extends Step {
  readonly email: string;
  readonly name?: string;
  /** No name is held, so none is asked for. */
  readonly withoutName?: boolean;
  readonly termsAccepted?: boolean;
  readonly terms: { readonly version: string; readonly url: string };
  readonly minimumLength: number;
}

/** Whoever proved an address chooses anew: posts `password` to `…/recovery/password`, or a passkey to `…/passkey/new`. */
export interface NewCredentialPage extends Step {
  readonly email: string;
  readonly minimumLength: number;
  /** What may have been on a phone that is gone; posts `gone`, each that is ticked, to `…/recovery/gone`. */
  readonly held: readonly Held[];
  /** That was said, and is done with what is chosen here. */
  readonly said: boolean;
}

/** Right after a sign-in by password; "Not now" posts to `…/passkey/skip`. */
export interface PasskeyOfferPage extends Step {
  readonly email: string;
}

/** The sentences of the account API's scopes: `account:profile:read` is `account_profile_read`. */
export type AccountAskWord =
  `account_${'overview_read' | `${'profile' | 'contacts' | 'preferences' | 'security' | 'devices' | 'consents' | 'exports' | 'deletion' | 'rights'}_${'read' | 'write'}` | 'disclosures_read' | 'history_read' | 'history_object' | 'messages_read'}`;

/** A sentence under `ask.*` in the locales: what a scope lets an application do. */
export type AskWord =
  | AccountAskWord
  | Derived
  | 'openid'
  | 'profile'
  | 'email'
  | 'address'
  | 'phone'
  | 'offline_access';

/** One line of the consent page. */
export interface Ask {
  /** The value of the checkbox `allow`, e.g. `scope:email` or `claim:birthdate`. */
  readonly value: string;
  /** Either a known word or a text of the operator's own. */
  readonly word?: AskWord;
  readonly text?: string;
  /** Why it is asked for, in the app's own words. */
  readonly said?: string;
  /** What would be handed over as it stands now, e.g. the address itself. */
  readonly now?: string;
  /** There is no such value yet; they may be asked for it afterwards. */
  readonly missing?: true;
}

/** A purpose as the consent page tells it. */
export interface ToldPurpose {
  readonly name: string;
  readonly why: string;
  /** What more there is to say, where there is. */
  readonly notice?: string;
  /** Days for which it is kept; absent: as long as there is an account. */
  readonly days?: number;
  /** Who gets it beside the app that asks. */
  readonly others: readonly string[];
}

/** "Go back" posts to `…/deny`; "I know this app" posts to `…/consent/known`. */
export interface AppWarningPage extends Step {
  /** The host of the redirect URI. */
  readonly destination: string;
}

/** "Allow" posts `allow` (each ticked value) to `…/consent`; "Don't allow" posts to `…/deny`. */
export interface ConsentPage extends Step {
  readonly email: string;
  readonly verified: boolean;
  readonly required: readonly Ask[];
  readonly optional: readonly Ask[];
  readonly purposes: readonly ToldPurpose[];
  /** Days after which it is asked again; absent: until it is withdrawn. */
  readonly days?: number;
  /** The host of the redirect URI. */
  readonly destination: string;
  readonly links: { readonly site?: string; readonly policy?: string; readonly terms?: string };
  /** SHA-256 of the words that stand there, which either answer is to. */
  readonly wording: string;
}

/** The mailed link in the browser that began. "Continue" posts to `…/link/:token`. */
export interface LinkHerePage {
  readonly uid: string;
  readonly token: string;
  readonly email: string;
  readonly app: AppBadge;
}

/** The mailed link in any other browser. "Not me" posts to `…/link/:token/deny`. */
export interface LinkElsewherePage {
  readonly uid: string;
  readonly token: string;
  readonly email: string;
  readonly code: string;
  readonly minutes: number;
  readonly asked: Asked;
}

/** The mailed link is used, expired or was turned down by "Not me". */
export interface LinkEndedPage {
  readonly reason: 'used' | 'expired' | 'denied';
}

/** A form that is sent as it is: hidden fields and one button. */
export interface PlainForm {
  readonly action: string;
  readonly fields?: readonly { readonly name: string; readonly value: string }[];
}

/** "Sign out" sends `signOut`; "Stay signed in" sends `stay`, or is a link home without it. */
export interface SignOutPage {
  readonly person: { readonly name?: string; readonly email: string };
  readonly app?: AppBadge;
  readonly signOut: PlainForm;
  readonly stay?: PlainForm;
}

/** An app wants somebody signed out, and several people are here. Posts `request`, and `who` unless it is everyone. */
export interface SignOutWhoPage {
  readonly people: readonly ShownPerson[];
  readonly app?: AppBadge;
  /** The parameters of the app's request, which goes on once that is clear. */
  readonly request: string;
}

/** Signed out here, and on the way to do so where they came from. Posts `fields` to `to`: nothing of ours is among them. */
export interface SignOutTherePage {
  readonly host: string;
  readonly to: string;
  readonly fields: readonly { readonly name: string; readonly value: string }[];
}

/** After a finished sign-out. */
export interface SignedOutPage {
  readonly app?: AppBadge & { readonly url?: string };
  /** The names of apps that could not be told. */
  readonly untold?: readonly string[];
}

/** A message on its way to an app, by a form or by an address; where scripts run it goes by itself. */
export interface OnwardPage {
  readonly app: string;
  readonly form?: PlainForm;
  /** Of the app: where it hears of the end. */
  readonly address?: string;
}

/** What a person and the developer beside them need to know about a request that cannot go on. */
export interface ErrorPage {
  /** A sentence under `error.*`; `generic` when nothing fits. */
  readonly word:
    | 'generic'
    | 'expired'
    | 'full'
    | 'redirect'
    | 'client'
    | 'csrf'
    | 'input'
    | 'account'
    | 'frozen'
    | 'new_address'
    | 'internal';
  readonly app?: AppBadge;
  readonly error?: string;
  readonly description?: string;
  /** For a redirect mismatch: what was sent, and what is registered already. */
  readonly sent?: string;
  readonly clientId?: string;
  readonly requestId?: string;
  /** Where a GET begins the failed step anew. */
  readonly retryUrl?: string;
  readonly homeUrl?: string;
}

/** 503 (`busy`) and 429 (`too-many`). */
export interface WaitPage {
  readonly seconds: number;
  /** Where a GET tries again. */
  readonly retryUrl?: string;
}

/** A step that was done before, in this tab or another. */
export interface FinishedPage {
  readonly continueUrl?: string;
  readonly app?: AppBadge;
}

/** The terms in force. */
export interface TermsPage {
  readonly version: string;
}

/** What each template is given, besides the frame. */
export interface PageModels
  extends DeviceGrantPages,
    FederatedPages,
    TrialPages,
    OldPhonePages,
    OverviewPages,
    ContactsPages,
    ConnectedPages,
    DisclosuresPages,
    DevicesPages,
    HistoryPages,
    LinkedPages,
    MergePages,
    MovePages,
    NoticePages,
    LostPages,
    ProfilePages,
    QuestionPages,
    SecondStepPages,
    SigningInPages,
    MailboxPages,
    MessagePageModels,
    MessagesPages,
    PreferencesPages,
    ReceiptPages,
    ExportPages,
    DeletionPages,
    DeletePages,
    YourDataPages {
  readonly home: HomePage;
  readonly apps: AppsPage;
  readonly 'choose-account': ChooseAccountPage;
  readonly 'sign-in/identifier': IdentifierPage;
  readonly 'sign-in/password': PasswordPage;
  readonly 'sign-in/code': CodePage;
  readonly 'sign-up/email': SignUpEmailPage;
  readonly 'sign-up/code': CodePage;
  readonly 'sign-up/credential': CredentialPage;
  readonly 'recovery/code': CodePage;
  readonly 'recovery/credential': NewCredentialPage;
  readonly 'passkey/offer': PasskeyOfferPage;
  readonly 'app-warning': AppWarningPage;
  readonly consent: ConsentPage;
  readonly 'link/same-browser': LinkHerePage;
  readonly 'link/other-browser': LinkElsewherePage;
  readonly 'link/ended': LinkEndedPage;
  readonly onward: OnwardPage;
  readonly 'sign-out/confirm': SignOutPage;
  readonly 'sign-out/who': SignOutWhoPage;
  readonly 'sign-out/done': SignedOutPage;
  readonly 'sign-out/there': SignOutTherePage;
  readonly error: ErrorPage;
  readonly busy: WaitPage;
  readonly 'too-many': WaitPage;
  readonly finished: FinishedPage;
  readonly 'not-found': object;
  readonly terms: TermsPage;
}

/** A page by its template's name: the type that keeps a template and its model together. */
export type PageOf<Name extends keyof PageModels> = PageModels[Name] & PageFrame;
