/** Takes passwords out of connection URLs, so that an address can be shown without its secret. */

const HIDDEN = '***';

/** Greedy up to the last "@": a password may hold unescaped ":", "/" and "@"; hiding too much is the safe mistake. */
const WHOLE_USERINFO = /^([a-z][a-z0-9+.-]*:\/\/[^:@/]*):.*@/is;
/** From the scheme to the next space. The length of the scheme is bounded so that the search stays linear. */
const URL_IN_TEXT = /[a-z][a-z0-9+.-]{0,31}:\/\/\S+/gi;
const PASSWORD_PARAMETER = /([?&][a-z_]*password=)[^&#\s]*/gi;

/** The URL with its password replaced by `***`; what is no URL is handled all the same. */
export function redactUrl(url: string): string {
  return url.replace(WHOLE_USERINFO, `$1:${HIDDEN}@`).replaceAll(PASSWORD_PARAMETER, `$1${HIDDEN}`);
}

/** A text with the passwords of all URLs in it replaced by `***`. */
export function redactText(text: string): string {
  return text.replaceAll(URL_IN_TEXT, redactUrl);
}
