export { type CallInput, type Client, type ClientOptions, createClient } from './client.ts';
export {
  anonymous,
  type CallContext,
  type Caller,
  contextOf,
  decodeCaller,
  encodeCaller,
  forwardHeaders,
  headerNames,
  ownContext,
  waitUntilMs,
} from './context.ts';
export { type Fault, faultOf, tellFault } from './fault.ts';
export type { CompressionOptions } from './http-compression.ts';
export { nameTwice } from './http-head.ts';
export { endWithProblem, refuseBytes } from './http-refuse.ts';
export {
  type Arrival,
  createHttpServer,
  type Greeting,
  type HttpRoute,
  type HttpServerOptions,
  type ReplyHeaders,
  type Responded,
  routesOf,
} from './http-server.ts';
export {
  createHttpExchange,
  createHttpTransport,
  type HttpExchange,
  type HttpTransport,
  type HttpTransportOptions,
  isNotSent,
} from './http-transport.ts';
export { createLocalTransport, type LocalTransport } from './local-transport.ts';
export { type OpenApiOptions, openApi } from './openapi.ts';
export {
  type Access,
  type Balancing,
  type CallPolicy,
  type Consistency,
  defineService,
  type Input,
  type OperationDescription,
  type Output,
  type Priority,
  type ServiceContract,
} from './operation.ts';
export {
  type Category,
  contractProblems,
  describeProblems,
  isProblem,
  Problem,
  type ProblemDescription,
  type ProblemDetails,
  type ProblemPlace,
  type ProblemTable,
  problemFromReply,
  problemTable,
  type Retry,
  toProblem,
} from './problem.ts';
export {
  checkIfMatch,
  type Handler,
  type Handlers,
  implement,
  type LogicalClockPort,
  problemReply,
  type Served,
  type ServerOptions,
  type ServiceServer,
} from './server.ts';
export { type Unasked, watchUnasked } from './unasked.ts';
export { createValidator, invalidInput, type OperationValidator } from './validate.ts';
