/**
 * Signing in at another issuer: authorization code with PKCE, as a public client. Source: RFC 9700, OpenID Connect Core.
 *
 * The page goes to the issuer and comes back with a code; what it needs then is kept in this tab meanwhile.
 */

import { CallError, parse } from "./api.js";
import { t } from "./words.js";

/**
 * @typedef {{id: string, title: string, issuer: string, clientId: string, audience: string, scope: string,
 *   authorizationEndpoint: string, tokenEndpoint: string, parameters: Record<string, string>}} SignInWith
 * @typedef {{accessToken: string, expiresIn: number, renewal: Renewal}} Tokens the one that is sent to the service
 * @typedef {{tokenEndpoint: string, clientId: string, audience: string, refreshToken: string | null}} Renewal
 */

const PENDING = "sign-in";
const TIMEOUT_MS = 10_000;

/** Where the issuer sends the browser back to: this page. */
const redirectUri = () => location.origin + location.pathname;

/** Leaves for the issuer's page. @param {SignInWith} signIn */
export async function leaveForIssuer(signIn) {
  if (!crypto.subtle) throw failure(t("account.needs-https"));
  const [state, nonce, verifier] = [random(), random(), random()];
  sessionStorage.setItem(PENDING, JSON.stringify({ signIn, state, nonce, verifier, redirectUri: redirectUri() }));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const address = new URL(signIn.authorizationEndpoint);
  const parameters = {
    ...signIn.parameters,
    response_type: "code",
    client_id: signIn.clientId,
    redirect_uri: redirectUri(),
    scope: signIn.scope,
    state,
    nonce,
    code_challenge: encode(new Uint8Array(digest)),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value);
  location.assign(address);
}

/** Takes what the issuer's page has put into this page's address, out of it. @returns {URLSearchParams | null} */
export function takeAnswer() {
  const answer = new URLSearchParams(location.search);
  if (!answer.has("state") || !(answer.has("code") || answer.has("error"))) return null;
  history.replaceState(null, "", redirectUri());
  return answer;
}

/** Exchanges the issuer's answer for tokens. @param {URLSearchParams} answer @returns {Promise<Tokens>} */
export async function finishSignIn(answer) {
  const pending = parse(sessionStorage.getItem(PENDING) ?? "null");
  sessionStorage.removeItem(PENDING);
  // An answer to nothing that was asked here: somebody else's account, perhaps.
  if (!pending || answer.get("state") !== pending.state) throw failure(t("account.not-begun-here"));
  const { signIn, nonce, verifier } = pending;
  if (answer.has("iss") && answer.get("iss") !== signIn.issuer) throw failure(t("account.somebody-else"));
  if (answer.has("error")) throw failure(refusal(signIn.title, answer.get("error")));
  const tokens = await ask(signIn.tokenEndpoint, {
    grant_type: "authorization_code",
    code: answer.get("code"),
    redirect_uri: pending.redirectUri,
    client_id: signIn.clientId,
    code_verifier: verifier,
  });
  if (!tokens.id_token || claimsOf(tokens.id_token)?.nonce !== nonce) throw failure(t("account.another-sign-in"));
  return chosen(tokens, signIn);
}

/** Has the issuer renew the tokens; null when it gave nothing to do that with. @param {Renewal} renewal */
export async function renewTokens(renewal) {
  if (!renewal.refreshToken) return null;
  const { tokenEndpoint, clientId, refreshToken } = renewal;
  const asked = { grant_type: "refresh_token", refresh_token: refreshToken, client_id: clientId };
  return chosen(await ask(tokenEndpoint, asked), renewal);
}

/** The token that the service takes: the access token if it is a JWT for it, else the id token. */
function chosen(tokens, { tokenEndpoint, clientId, audience, refreshToken = null }) {
  const meant = [claimsOf(tokens.access_token)?.aud].flat().includes(audience);
  const accessToken = meant ? tokens.access_token : tokens.id_token;
  const { exp, iat } = claimsOf(accessToken) ?? {};
  if (!(exp > iat)) throw failure(t("account.no-token"));
  const renewal = { tokenEndpoint, clientId, audience, refreshToken: tokens.refresh_token ?? refreshToken };
  return { accessToken, expiresIn: exp - iat, renewal };
}

async function ask(endpoint, parameters) {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), TIMEOUT_MS);
  let status, data;
  try {
    const body = new URLSearchParams(parameters);
    const options = { method: "POST", body, credentials: /** @type {const} */ ("omit"), signal: timeout.signal };
    const response = await fetch(endpoint, options);
    status = response.status;
    data = parse(await response.text());
  } catch {
    throw failure(t("account.issuer-away"));
  } finally {
    clearTimeout(timer);
  }
  if (status >= 500) throw failure(t("account.issuer-busy"));
  if (status !== 200 || !data) throw failure(t("account.issuer-refused"), status);
  return data;
}

function refusal(title, error) {
  return error === "access_denied" ? t("account.cancelled-there", { title }) : t("account.refused-there", { title, error });
}

const failure = (detail, status = 0) => new CallError(status, { detail });

/** A token's claims, which only the service verifies; null for what is no JWT. */
function claimsOf(token) {
  const payload = String(token ?? "").split(".")[1];
  if (!payload) return null;
  try {
    const bytes = Uint8Array.from(atob(payload.replace(/-/g, "+").replace(/_/g, "/")), (it) => it.charCodeAt(0));
    return parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
}

const random = () => encode(crypto.getRandomValues(new Uint8Array(32)));

const encode = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
