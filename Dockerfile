# The image of the worker and of every other command: docker run holdfast status
FROM node:24-bookworm-slim AS build
WORKDIR /holdfast
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run build && npm prune --omit=dev

FROM node:24-bookworm-slim
ENV NODE_ENV=production \
    HOLDFAST_HTTP_ADDRESS=0.0.0.0:9464
WORKDIR /holdfast
COPY --from=build /holdfast/node_modules node_modules
COPY --from=build /holdfast/dist dist
COPY package.json ./
COPY config config
USER node
EXPOSE 9464
# The worker drains within 30 s (drainTimeoutMs): give it longer than that before SIGKILL.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9464/livez').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["worker"]
