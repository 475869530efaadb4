import { renderEnvoy } from './envoy.ts';
import { renderHaproxy } from './haproxy.ts';
import { renderNginx } from './nginx.ts';
import type { EdgePlan } from './plan.ts';

export { type EdgePlan, type PlanOptions, planOf } from './plan.ts';

/** The same plan for programs that users may outgrow our own balancer and edge with. */
export const renderers: Readonly<Record<'nginx' | 'haproxy' | 'envoy', (plan: EdgePlan) => string>> = {
  nginx: renderNginx,
  haproxy: renderHaproxy,
  envoy: renderEnvoy,
};
