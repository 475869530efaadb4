import { addressOf, bodySizeBytesDefault, type EdgePlan, health, timeoutSecDefault } from './plan.ts';

/** A whole `haproxy.cfg` for HAProxy ≥ 2.6, with the same health checks, limits and time-outs as our own balancer. */
export function renderHaproxy(plan: EdgePlan): string {
  const { listen, tls, gateways, perAddress, exceptions } = plan;
  const bind = `${addressOf(listen)}${tls ? ` ssl crt ${tls.certFile} alpn h2,http/1.1` : ''}`;
  const streams = exceptions.filter(({ isStream, timeoutSec }) => isStream || timeoutSec > timeoutSecDefault);
  const large = exceptions.filter(({ bodySizeBytesMax }) => bodySizeBytesMax > bodySizeBytesDefault);
  const acl = (name: string, of: typeof exceptions) =>
    of.map(({ pattern }) => `    acl ${name} path -m reg ${pattern}`);
  const longestSec = Math.max(timeoutSecDefault, ...streams.map(({ timeoutSec }) => timeoutSec));
  const servers = (check: string) =>
    gateways.map((gateway, i) => `    server gateway-${i + 1} ${addressOf(gateway)} ${check}`).join('\n');
  const usual = `check inter ${health.everySec}s fall ${health.failuresMax} rise 1 observe layer7 error-limit 5 on-error mark-down slowstart 10s`;
  return `# Made by \`holdfast render haproxy\`. Change the topology, not this.
global
    # As many connections as the limit on open files allows, but no more than this asks for.
    fd-hard-limit 65536
    # 16 KiB of head, as at the gateway.
    tune.bufsize 32768
    tune.maxrewrite 16384
    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
    ssl-default-bind-ciphers ECDHE+AESGCM:ECDHE+CHACHA20

defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server ${timeoutSecDefault}s
    # Slow heads and slow bodies.
    timeout http-request 10s
    timeout http-keep-alive 30s
    timeout queue 2s
    timeout tunnel 1h
    option forwardfor
    option redispatch 1
    # Another instance where nothing was sent, or where it asks to be spared: never a POST whose effect is unknown.
    retries 3
    retry-on conn-failure empty-response 503

frontend public
    bind ${bind}
    http-request set-header X-Forwarded-Proto ${tls ? 'https' : 'http'}
    http-request del-header Holdfast-Hop
    http-response del-header Holdfast-Fault
    http-response del-header Holdfast-Trace
${tls ? '    http-response set-header Strict-Transport-Security "max-age=31536000"\n' : ''}    stick-table type ipv6 size 200k expire 10s store http_req_rate(1s),conn_cur
    http-request track-sc0 src
    http-request return status 429 hdr Retry-After 1 if { sc_http_req_rate(0) gt ${perAddress} } || { sc_conn_cur(0) gt 200 }
${[...acl('large', large), ...acl('streams', streams)].join('\n')}
    http-request return status 413 if ${large.length > 0 ? '!large ' : ''}{ req.body_size gt ${bodySizeBytesDefault} }
    http-request disable-l7-retry if METH_POST or { method PATCH }
${streams.length > 0 ? '    use_backend long if streams\n' : ''}    default_backend gateways

backend gateways
    balance random(2)
    option httpchk GET ${health.path}
${servers(usual)}
${
  streams.length > 0
    ? `
backend long
    balance random(2)
    timeout server ${longestSec}s
${servers('track gateways/gateway-{i}').replaceAll(/gateway-(\d+) (.*)gateway-\{i\}/g, 'gateway-$1 $2gateway-$1')}
`
    : ''
}`;
}
