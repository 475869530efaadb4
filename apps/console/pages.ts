/** The pages of the console. The gateway serves the app at these paths and answers 404 elsewhere. */
export const pages = {
  home: '/console',
  signIn: '/console/sign-in',
  orders: '/console/orders',
  order: '/console/orders/{orderId}',
  messages: '/console/messages',
  deadLetters: '/console/messages/{service}',
  stock: '/console/stock',
  sku: '/console/stock/{sku}',
  system: '/console/system',
  traces: '/console/traces',
  trace: '/console/traces/{traceId}',
  sales: '/console/sales',
  products: '/console/products',
  product: '/console/products/{productId}',
  faults: '/console/faults',
} as const;
