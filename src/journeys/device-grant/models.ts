import type { AppBadge, Asked, Form } from '../page-models.js';

/** Where a person types the code that a device shows. Posts `user_code` to `/device`. */
export interface DeviceCodePage extends Form {
  readonly code: string;
}

/** "This is my device" posts to `/device/confirm`, "This is not my device" to `/device/deny`. */
export interface DeviceConfirmPage {
  readonly app: AppBadge;
  readonly code: string;
  readonly asked: Asked;
}

/** The device may go on. */
export interface DeviceDonePage {
  readonly app: AppBadge;
}

/** The pages of this journey. */
export interface DeviceGrantPages {
  readonly 'device/code': DeviceCodePage;
  readonly 'device/confirm': DeviceConfirmPage;
  readonly 'device/done': DeviceDonePage;
  readonly 'device/denied': object;
}
