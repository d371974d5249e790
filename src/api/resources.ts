/** All resources, in the order of the API reference. */
import type { ApiDeps } from './deps.ts';
import { apiKeyRoutes } from './resources/api-keys.ts';
import { attributeRoutes } from './resources/attributes.ts';
import { auditRoutes } from './resources/audit.ts';
import { contactRoutes } from './resources/contacts.ts';
import { dueStepActionRoutes } from './resources/due-step-actions.ts';
import { dueStepRoutes } from './resources/due-steps.ts';
import { enrollmentJobRoutes } from './resources/enrollment-jobs.ts';
import { enrollmentRoutes } from './resources/enrollments.ts';
import { eventRoutes } from './resources/events.ts';
import { forecastRoutes } from './resources/forecasts.ts';
import { healthRoutes } from './resources/health.ts';
import { holidayRoutes } from './resources/holidays.ts';
import { hookRoutes } from './resources/hooks.ts';
import { importRoutes } from './resources/imports.ts';
import { meRoutes } from './resources/me.ts';
import { memberRoutes } from './resources/members.ts';
import { organizationRoutes } from './resources/organization.ts';
import { receiptRoutes } from './resources/receipts.ts';
import { recordRoutes } from './resources/records.ts';
import { sandboxRoutes } from './resources/sandbox.ts';
import { segmentRoutes } from './resources/segments.ts';
import { senderTemplateRoutes } from './resources/sender-templates.ts';
import { senderRoutes } from './resources/senders.ts';
import { sequenceTestRoutes } from './resources/sequence-tests.ts';
import { sequenceRoutes } from './resources/sequences.ts';
import { statsRoutes } from './resources/stats.ts';
import { suppressionRoutes } from './resources/suppressions.ts';
import { switchRoutes } from './resources/switches.ts';
import { touchRoutes } from './resources/touches.ts';
import { unsubscribeRoutes } from './resources/unsubscribe.ts';
import { variantRoutes } from './resources/variants.ts';
import { versionMoveRoutes } from './resources/version-moves.ts';
import type { Route } from './route.ts';

export function allRoutes(deps: ApiDeps): Route[] {
  return [
    ...organizationRoutes(deps),
    ...holidayRoutes(deps),
    ...memberRoutes(deps),
    ...meRoutes(deps),
    ...apiKeyRoutes(deps),
    ...contactRoutes(deps),
    ...attributeRoutes(deps),
    ...segmentRoutes(deps),
    ...importRoutes(deps),
    ...suppressionRoutes(deps),
    ...eventRoutes(deps),
    ...recordRoutes(deps),
    ...senderRoutes(deps),
    ...senderTemplateRoutes(deps),
    ...hookRoutes(deps),
    ...sequenceRoutes(deps),
    ...sequenceTestRoutes(deps),
    ...versionMoveRoutes(deps),
    ...variantRoutes(deps),
    ...enrollmentRoutes(deps),
    ...enrollmentJobRoutes(deps),
    ...statsRoutes(deps),
    ...forecastRoutes(deps),
    ...dueStepRoutes(deps),
    ...dueStepActionRoutes(deps),
    ...touchRoutes(deps),
    ...receiptRoutes(deps),
    ...switchRoutes(deps),
    ...auditRoutes(deps),
    ...sandboxRoutes(deps),
    ...healthRoutes(deps),
    ...unsubscribeRoutes(deps),
  ];
}
