// An OpenID provider on loopback. Its first argument is JSON: {port, redirectUris, jwks, audience, tokenSeconds}.
// Whoever signs in is who they say, with any password; a user whose name begins with "op" is in the group "operators".
import Provider from "oidc-provider";

const { port, redirectUris, jwks, audience, tokenSeconds } = JSON.parse(process.argv[2]);

const claimsOf = (sub) => ({
  sub,
  preferred_username: sub,
  name: `${sub} Example`,
  groups: sub.startsWith("op") ? ["staff", "operators"] : ["staff"],
});

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: "page",
      application_type: "native", // may come back to http on loopback
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
      redirect_uris: redirectUris,
    },
  ],
  jwks,
  claims: { openid: ["sub"], profile: ["preferred_username", "name", "groups"] },
  findAccount: (_, sub) => ({ accountId: sub, claims: () => claimsOf(sub) }),
  extraTokenClaims: (_, token) => claimsOf(token.accountId),
  clientBasedCORS: () => true,
  issueRefreshToken: () => true,
  pkce: { required: () => true },
  ttl: { AccessToken: tokenSeconds, IdToken: tokenSeconds },
  features: {
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: "",
        audience,
        accessTokenFormat: "jwt",
        accessTokenTTL: tokenSeconds,
      }),
    },
  },
});
provider.use(async (context, next) => {
  console.log(`${context.method} ${context.path}`);
  if (context.path === "/favicon.ico") return void (context.status = 204);
  await next();
  // Its pages want a font from elsewhere, which a machine without the internet waits for.
  if (typeof context.body === "string") context.body = context.body.replace(/@import url\([^)]*\);?/g, "");
});
provider.on("server_error", (_, error) => console.error(error));
provider.listen(port, "127.0.0.1", () => console.log("listening"));
