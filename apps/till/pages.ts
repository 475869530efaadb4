/** The pages of the till. The gateway serves the app at these paths and answers 404 elsewhere. */
export const pages = {
  sell: '/till',
  sales: '/till/sales',
  sale: '/till/sales/{saleId}',
  returns: '/till/returns',
  drawer: '/till/drawer',
  settings: '/till/settings',
} as const;
