import { type EdgePlan, health, timeoutSecDefault } from './plan.ts';

/** A static bootstrap for Envoy ≥ 1.30. JSON is YAML; what makes it leaves no doubt about indentation. */
export function renderEnvoy(plan: EdgePlan): string {
  const { listen, tls, gateways, perAddress, exceptions } = plan;
  const any = (type: string, value: object) => ({ '@type': `type.googleapis.com/${type}`, ...value });
  const route = (match: object, timeoutSec: number, retries: boolean) => ({
    match,
    route: {
      cluster: 'gateways',
      timeout: `${timeoutSec}s`,
      // A try that is not answered in 2 s goes to another instance, where nothing was sent or it asks to be spared.
      ...(retries
        ? {
            retry_policy: {
              retry_on: 'connect-failure,refused-stream,retriable-status-codes',
              retriable_status_codes: [503],
              num_retries: 2,
              retry_host_predicate: [
                {
                  name: 'envoy.retry_host_predicates.previous_hosts',
                  typed_config: any('envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate', {}),
                },
              ],
            },
          }
        : {}),
    },
  });
  const special = exceptions.map(({ pattern, timeoutSec }) =>
    route({ safe_regex: { regex: pattern } }, timeoutSec, false),
  );
  const manager = any('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: 'public',
    use_remote_address: true,
    normalize_path: false,
    path_with_escaped_slashes_action: 'REJECT_REQUEST',
    request_headers_timeout: '10s',
    stream_idle_timeout: '300s',
    max_request_headers_kb: 16,
    common_http_protocol_options: {
      idle_timeout: '30s',
      max_headers_count: 100,
      headers_with_underscores_action: 'REJECT_REQUEST',
    },
    http2_protocol_options: { max_concurrent_streams: 100 },
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    route_config: {
      name: 'public',
      // Said among processes of ours alone.
      request_headers_to_remove: ['holdfast-hop'],
      response_headers_to_remove: ['holdfast-fault', 'holdfast-trace'],
      virtual_hosts: [
        { name: 'all', domains: ['*'], routes: [...special, route({ prefix: '/' }, timeoutSecDefault, true)] },
      ],
    },
    http_filters: [
      {
        // Of the whole of this Envoy: limits by address are the gateway's.
        name: 'envoy.filters.http.local_ratelimit',
        typed_config: any('envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit', {
          stat_prefix: 'all',
          token_bucket: { max_tokens: perAddress * 10, tokens_per_fill: perAddress * 10, fill_interval: '1s' },
          filter_enabled: { default_value: { numerator: 100 } },
          filter_enforced: { default_value: { numerator: 100 } },
        }),
      },
      { name: 'envoy.filters.http.router', typed_config: any('envoy.extensions.filters.http.router.v3.Router', {}) },
    ],
  });
  const bootstrap = {
    static_resources: {
      listeners: [
        {
          name: 'public',
          address: { socket_address: { address: listen.host, port_value: listen.port } },
          per_connection_buffer_limit_bytes: 65_536,
          filter_chains: [
            {
              filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }],
              ...(tls ? { transport_socket: transportSocket(tls, any) } : {}),
            },
          ],
        },
      ],
      clusters: [
        {
          name: 'gateways',
          type: 'STATIC',
          connect_timeout: '2s',
          lb_policy: 'LEAST_REQUEST',
          common_lb_config: { healthy_panic_threshold: { value: 50 } },
          load_assignment: {
            cluster_name: 'gateways',
            endpoints: [
              {
                lb_endpoints: gateways.map(({ host, port }) => ({
                  endpoint: { address: { socket_address: { address: host, port_value: port } } },
                })),
              },
            ],
          },
          health_checks: [
            {
              timeout: '2s',
              interval: `${health.everySec}s`,
              unhealthy_threshold: health.failuresMax,
              healthy_threshold: 1,
              http_health_check: { path: health.path },
            },
          ],
          outlier_detection: { consecutive_5xx: 5, base_ejection_time: '5s', max_ejection_percent: 50 },
          circuit_breakers: {
            thresholds: [{ max_connections: 1_024, max_pending_requests: 1_024, max_requests: 4_096 }],
          },
        },
      ],
    },
  };
  return `# Made by \`holdfast render envoy\`. Change the topology, not this.\n${JSON.stringify(bootstrap, null, 2)}\n`;
}

function transportSocket(
  { certFile, keyFile }: NonNullable<EdgePlan['tls']>,
  any: (type: string, value: object) => object,
): object {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: any('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
      common_tls_context: {
        alpn_protocols: ['h2', 'http/1.1'],
        tls_params: { tls_minimum_protocol_version: 'TLSv1_2' },
        tls_certificates: [{ certificate_chain: { filename: certFile }, private_key: { filename: keyFile } }],
      },
    }),
  };
}
