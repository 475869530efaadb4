export { type Api, createApi } from './api.ts';
export { ApiProblem, isApiProblem } from './problem.ts';
export { createSession, type Session } from './session.ts';
