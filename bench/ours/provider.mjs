/** The provider of the bench: in the worker's own process, accepts at once; so many calls may be under way. */
const AT_ONCE = 1_000;

/** @param {(request: object) => void} [onCall] */
export function acceptAll(onCall) {
  let under = 0;
  return {
    provider_class: 'L',
    calls: 0,
    capacity: () => AT_ONCE - under,
    async send(request) {
      under++;
      this.calls++;
      onCall?.(request);
      await null;
      under--;
      return { kind: 'accepted', provider_id: request.idempotency_key };
    },
    async lookup() {
      return { kind: 'not_found' };
    },
    async close() {},
  };
}
