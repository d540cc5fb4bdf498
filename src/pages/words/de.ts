/** German. Long because everything that the pages say in one language stands in one file. */

import { html } from '../../lib/text/html.ts';
import type { Words } from './words.ts';

const UNAVAILABLE = 'Vorübergehend nicht verfügbar';
const BAD_GATEWAY = 'Dienst nicht erreichbar';
const ENDED = { title: 'Sitzung beendet', detail: 'Ihre Sitzung ist beendet. Melden Sie sich erneut an.' };
const NEEDED = {
  title: 'Anmeldung erforderlich',
  detail: 'Melden Sie sich an, oder senden Sie einen Nachweis mit, der hier gilt.',
};
const REFRESH_REFUSED = {
  title: 'Refresh-Token abgelehnt',
  detail: 'Das Refresh-Token wird nicht angenommen. Melden Sie sich erneut an.',
};

const CODE_REFUSED = {
  title: 'Code abgelehnt',
  detail:
    'Der Code ist unbekannt, abgelaufen oder verbraucht, oder er gehört zu einer anderen Anfrage. Melden Sie sich erneut an.',
};

/** The German words. */
export const de: Words = {
  tag: 'de',
  dateLocale: 'de-DE',
  page: {
    errorTitle: (title) => `Fehler: ${title}`,
    requestId: 'Anfragekennung',
  },
  reasons: {
    request_ambiguous: {
      title: 'Mehrdeutige Anfrage',
      detail: 'Die Anfrage lässt sich auf mehr als eine Weise lesen und wurde abgelehnt.',
    },
    request_malformed: { title: 'Fehlerhafte Anfrage', detail: 'Die Anfrage ist kein gültiges HTTP.' },
    request_timeout: {
      title: 'Zeit überschritten',
      detail: 'Die Anfrage ist nicht rechtzeitig angekommen.',
    },
    http_version_unsupported: { title: 'HTTP-Version nicht unterstützt', detail: 'Verwenden Sie HTTP/1.1.' },
    target_too_long: { title: 'Adresse zu lang', detail: 'Die Adresse ist länger, als hier angenommen wird.' },
    headers_too_large: {
      title: 'Kopfzeilen zu groß',
      detail: 'Die Kopfzeilen oder Cookies der Anfrage sind größer, als hier angenommen wird.',
    },
    body_too_large: {
      title: 'Inhalt zu groß',
      detail: 'Der Inhalt der Anfrage ist größer, als hier angenommen wird.',
    },
    body_malformed: {
      title: 'Fehlerhafter Inhalt',
      detail:
        'Der Inhalt der Anfrage konnte nicht gelesen werden. Seine Form steht in der Dokumentation dieser Adresse.',
    },
    query_malformed: {
      title: 'Fehlerhafte Parameter',
      detail: 'Ein Parameter der Adresse fehlt, ist leer, kommt zweimal vor oder ist hier unbekannt.',
    },
    media_type_unsupported: {
      title: 'Medientyp nicht unterstützt',
      detail: 'Diese Adresse nimmt diesen Content-Type nicht an.',
    },
    expectation_failed: {
      title: 'Erwartung nicht erfüllt',
      detail: 'Nur „Expect: 100-continue“ wird unterstützt.',
    },
    upgrade_unsupported: {
      title: 'Upgrade nicht unterstützt',
      detail: 'Nur WebSocket-Upgrades (RFC 6455) werden unterstützt, und nur auf Routen, die sie erlauben.',
    },
    websocket_version_unsupported: {
      title: 'Andere WebSocket-Version nötig',
      detail: 'Verwenden Sie Version 13 des WebSocket-Protokolls.',
    },
    host_not_served: { title: 'Falscher Server', detail: 'Dieser Hostname wird hier nicht bedient.' },
    route_not_found: { title: 'Nicht gefunden', detail: 'Unter dieser Adresse gibt es nichts.' },
    method_not_allowed: {
      title: 'Methode nicht erlaubt',
      detail: 'Diese Adresse nimmt diese HTTP-Methode nicht an.',
    },
    credential_conflict: {
      title: 'Mehr als ein Nachweis',
      detail:
        'Senden Sie entweder ein Sitzungs-Cookie oder die Kopfzeile Authorization, nicht beides. (Ist die Kopfzeile für die Anwendung gedacht, braucht ihre Route passAuthorization.)',
    },
    credential_missing: NEEDED,
    session_invalid: NEEDED,
    session_unknown: ENDED,
    session_expired: ENDED,
    token_invalid: { title: 'Ungültiges Token', detail: 'Das mitgesendete Token gilt hier nicht.' },
    client_unauthorized: {
      title: 'Client nicht erkannt',
      detail: 'Der mitgesendete Nachweis des Clients gilt hier nicht.',
    },
    token_request_invalid: {
      title: 'Ungültige Token-Anfrage',
      detail: 'Ein Parameter fehlt, ist fehlerhaft, kommt zweimal vor oder steht neben einem, der ihn ausschließt.',
    },
    subject_token_refused: {
      title: 'Subject-Token abgelehnt',
      detail: 'Das mitgesendete Subject-Token gilt hier nicht.',
    },
    grant_unsupported: {
      title: 'Grant nicht unterstützt',
      detail: 'Dieser Grant-Typ wird hier nicht unterstützt.',
    },
    grant_forbidden: { title: 'Grant nicht erlaubt', detail: 'Der Client darf diesen Grant-Typ nicht verwenden.' },
    target_forbidden: {
      title: 'Ziel nicht erlaubt',
      detail: 'Der Client darf für dieses Ziel kein Token erhalten.',
    },
    scope_exceeded: {
      title: 'Scope nicht erlaubt',
      detail: 'Der verlangte Scope ist fehlerhaft oder geht über das hinaus, was vergeben werden kann.',
    },
    login_failed: {
      title: 'Anmeldung fehlgeschlagen',
      detail: 'Benutzername und Passwort passen nicht zusammen.',
    },
    login_cookie_missing: {
      title: 'Cookie fehlt',
      detail:
        'Ihr Browser hat das Cookie nicht zurückgeschickt, das diese Anmeldung braucht. Erlauben Sie dieser Website Cookies, und melden Sie sich von Anfang bis Ende in demselben Browser an.',
    },
    login_expired: {
      title: 'Anmeldung abgelaufen',
      detail:
        'Diese Anmeldung hat zu lange gedauert, wurde schon abgeschlossen oder in einem anderen Browser begonnen. Melden Sie sich erneut an.',
    },
    login_declined: {
      title: 'Nicht angemeldet',
      detail:
        'Der Identitätsanbieter hat Sie nicht angemeldet: Die Anmeldung wurde dort abgebrochen, oder er lässt Sie nicht zu.',
    },
    login_interaction_required: {
      title: 'Nicht angemeldet',
      detail:
        'Beim Identitätsanbieter müssen Sie sich anmelden oder etwas zustimmen. Versuchen Sie es erneut, und folgen Sie seinen Seiten.',
    },
    login_response_invalid: {
      title: 'Anmeldung abgelehnt',
      detail:
        'Die Antwort des Identitätsanbieters kann nicht angenommen werden, darum sind Sie nicht angemeldet. Geschieht das wieder, sagen Sie es dem Betreiber dieser Website.',
    },
    login_clock_skew: {
      title: 'Anmeldung abgelehnt',
      detail:
        'Die Uhren dieser Website und des Identitätsanbieters gehen verschieden, darum sind Sie nicht angemeldet. Sagen Sie es dem Betreiber dieser Website.',
    },
    login_not_allowed: {
      title: 'Konto nicht zugelassen',
      detail: 'Sie haben sich beim Identitätsanbieter angemeldet, aber dieses Konto ist hier nicht zugelassen.',
    },
    login_attributes_too_large: {
      title: 'Konto nicht zugelassen',
      detail:
        'Der Identitätsanbieter nennt mehr Gruppen oder Angaben zu diesem Konto, als in eine Sitzung passen. Sagen Sie es dem Betreiber dieser Website.',
    },
    login_groups_missing: {
      title: 'Konto nicht zugelassen',
      detail:
        'Dieses Konto ist in so vielen Gruppen, dass der Identitätsanbieter sie weglässt. Sagen Sie es dem Betreiber dieser Website.',
    },
    logout_token_refused: {
      title: 'Abmelde-Token abgelehnt',
      detail: 'Das Abmelde-Token wird nicht angenommen, darum wurde keine Sitzung beendet.',
    },
    refresh_token_refused: REFRESH_REFUSED,
    refresh_token_reused: REFRESH_REFUSED,
    authorization_request_invalid: {
      title: 'Anmeldung eines Programms abgelehnt',
      detail:
        'Das Programm, das Sie hierher geschickt hat, hat auf eine Weise um die Anmeldung gebeten, die hier nicht angenommen wird. Es hat nichts erhalten. Starten Sie seine Anmeldung neu.',
    },
    consent_not_by_person: {
      title: 'Nicht von einem Menschen geöffnet',
      detail:
        'Nur ein Mensch kann ein Terminal zulassen, und diese Anfrage zeigt nicht, dass sie von einem kommt. Öffnen Sie die Seite in einem Browser von 2023 oder später.',
    },
    consent_outdated: {
      title: 'Bitte noch einmal entscheiden',
      detail:
        'Sie haben sich neu angemeldet, seit diese Seite gezeigt wurde, oder sie war nicht für Sie bestimmt. Lesen Sie sie, und entscheiden Sie noch einmal.',
    },
    code_refused: CODE_REFUSED,
    code_reused: CODE_REFUSED,
    device_login_pending: {
      title: 'Noch nicht entschieden',
      detail: 'Der Benutzer hat noch nicht entschieden. Fragen Sie nach der Wartezeit erneut.',
    },
    device_polled_too_often: {
      title: 'Noch nicht entschieden',
      detail: 'Der Benutzer hat noch nicht entschieden. Fragen Sie seltener.',
    },
    device_login_denied: { title: 'Vom Benutzer abgelehnt', detail: 'Der Benutzer hat die Anmeldung abgelehnt.' },
    device_login_expired: {
      title: 'Nicht rechtzeitig bestätigt',
      detail: 'Der Benutzer hat die Anmeldung nicht rechtzeitig bestätigt. Starten Sie sie neu.',
    },
    user_code_unknown: {
      title: 'Unbekannter Code',
      detail:
        'Kein Terminal wartet auf diesen Code. Vergleichen Sie ihn mit dem Terminal, oder starten Sie dort die Anmeldung neu.',
    },
    login_unavailable: {
      title: 'Keine Anmeldung hier',
      detail:
        'Dieses Gateway hat keine eigene Anmeldeseite. Melden Sie sich dort an, wo Sie es sonst tun, und kommen Sie dann zurück.',
    },
    origin_forbidden: {
      title: 'Anfrage von fremder Seite abgelehnt',
      detail:
        'Eine Anfrage, die etwas ändert, muss von einer Seite dieser Website kommen. Ein Programm zeigt das mit der Kopfzeile Origin, die diese Website nennt.',
    },
    admin_disabled: {
      title: 'Admin-API nicht eingeschaltet',
      detail: 'Setzen Sie listeners.admin.tokenFile, um sie zu verwenden.',
    },
    step_up_required: {
      title: 'Erneut anmelden',
      detail: 'Sie sind angemeldet, doch hierfür ist eine neuere oder stärkere Anmeldung nötig.',
    },
    step_up_insufficient: {
      title: 'Anmeldung reicht nicht',
      detail:
        'Sie haben sich beim Identitätsanbieter noch einmal angemeldet, aber nicht so aktuell oder so stark, wie es hierfür nötig ist. Ihre Sitzung ist unverändert.',
    },
    step_up_other_account: {
      title: 'Anderes Konto',
      detail:
        'Sie haben sich beim Identitätsanbieter mit einem anderen Konto angemeldet als zuvor. Ihre Sitzung ist unverändert. Melden Sie sich mit demselben Konto an.',
    },
    route_forbidden: {
      title: 'Nicht erlaubt',
      detail: 'Sie sind angemeldet, dürfen dies aber nicht tun.',
    },
    scope_insufficient: { title: 'Scope reicht nicht', detail: 'Das mitgesendete Token erlaubt dies nicht.' },
    browser_forbidden: {
      title: 'Nicht für Browser',
      detail: 'Nur das Programm neben diesem Gateway darf diese Adresse aufrufen.',
    },
    peer_forbidden: {
      title: 'Kein bekannter Proxy',
      detail: 'Hier dürfen nur die Proxys fragen, die in der Konfiguration stehen.',
    },
    exchange_refused: {
      title: 'Kein Token für dieses Ziel',
      detail: 'Der Autorisierungsserver gibt dem Aufrufer kein Token für dieses Ziel.',
    },
    rate_limited: { title: 'Zu viele Versuche', detail: 'Warten Sie, bevor Sie es erneut versuchen.' },
    too_many_in_progress: {
      title: 'Zu viele Anfragen zugleich',
      detail: 'Zu viele Ihrer Anfragen sind noch nicht beantwortet. Warten Sie, bis einige davon fertig sind.',
    },
    deadline_exceeded: {
      title: 'Frist abgelaufen',
      detail: 'Der Aufruf wurde nicht in der Zeit fertig, die sein Client vorgegeben hat.',
    },
    overloaded: {
      title: 'Ausgelastet',
      detail: 'Es gibt mehr Anfragen, als gerade beantwortet werden können. Versuchen Sie es in Kürze noch einmal.',
    },
    store_unavailable: {
      title: UNAVAILABLE,
      detail:
        'Sitzungen können gerade nicht geprüft, geöffnet oder beendet werden. Es hat sich nichts geändert: Wer angemeldet war, ist es noch. Versuchen Sie es in Kürze noch einmal.',
    },
    store_full: {
      title: UNAVAILABLE,
      detail: 'Gerade können keine weiteren Sitzungen geöffnet werden. Versuchen Sie es später noch einmal.',
    },
    signing_key_unavailable: {
      title: UNAVAILABLE,
      detail: 'Für die Anfrage kann gerade nicht gebürgt werden. Versuchen Sie es in Kürze noch einmal.',
    },
    audit_unavailable: {
      title: UNAVAILABLE,
      detail:
        'Anmeldungen und Tokens können gerade nicht aufgezeichnet werden, darum gibt es keine. Versuchen Sie es in Kürze noch einmal.',
    },
    provider_unavailable: {
      title: UNAVAILABLE,
      detail:
        'Der Identitätsanbieter antwortet nicht, wie er soll, darum kann sich gerade niemand mit ihm anmelden. Wer angemeldet ist, bleibt es. Versuchen Sie es in Kürze noch einmal.',
    },
    jwks_unavailable: {
      title: UNAVAILABLE,
      detail: 'Das mitgesendete Token kann gerade nicht geprüft werden. Versuchen Sie es in Kürze noch einmal.',
    },
    token_unavailable: {
      title: UNAVAILABLE,
      detail: 'Das Token für dieses Ziel ist gerade nicht verfügbar. Versuchen Sie es in Kürze noch einmal.',
    },
    upstream_connect_failed: {
      title: BAD_GATEWAY,
      detail: 'Der Dienst hinter dieser Adresse ist nicht erreichbar.',
    },
    upstream_reset: {
      title: BAD_GATEWAY,
      detail: 'Der Dienst hinter dieser Adresse hat die Verbindung geschlossen.',
    },
    upstream_protocol: {
      title: BAD_GATEWAY,
      detail: 'Der Dienst hinter dieser Adresse hat eine ungültige Antwort gegeben.',
    },
    upstream_timeout: {
      title: 'Dienst antwortet nicht',
      detail: 'Der Dienst hinter dieser Adresse hat nicht rechtzeitig geantwortet.',
    },
    downstream_aborted: {
      title: 'Anfrage abgebrochen',
      detail: 'Der Client hat die Verbindung beendet, bevor die Antwort vollständig war.',
    },
    bug: {
      title: 'Interner Fehler',
      detail: 'Hier ist etwas schiefgegangen. Mit der Anfragekennung findet der Betreiber heraus, was.',
    },
  },
  actions: {
    startPage: 'Zur Startseite',
    tryAgain: 'Erneut versuchen',
    goBack: 'Zurück',
    goOn: 'Weiter',
    logIn: 'Anmelden',
    logInAgain: 'Erneut anmelden',
    logInAsOther: 'Mit einem anderen Konto anmelden',
    logOut: 'Abmelden',
    yourSessions: 'Ihre Sitzungen',
  },
  errors: {
    deleteCookies: 'Löschen Sie in Ihrem Browser die Cookies dieser Website, und versuchen Sie es dann erneut.',
    sendAgain: 'Was Sie gesendet haben, wurde nicht verarbeitet. Melden Sie sich an, und senden Sie es noch einmal.',
  },
  login: {
    title: 'Anmelden',
    userName: 'Benutzername',
    password: 'Passwort',
    remember: 'Auf diesem Gerät angemeldet bleiben',
    remembered: 'Nach dieser Anmeldung bleiben Sie auf diesem Gerät angemeldet.',
    rememberNot: 'Nicht angemeldet bleiben',
    sessionEnded: 'Ihre Sitzung ist beendet. Melden Sie sich erneut an, um fortzufahren.',
    or: 'oder',
    with: (provider) => `Mit ${provider} anmelden`,
    provider: 'Identitätsanbieter',
    lostCookie: {
      https:
        'Sie haben sich angemeldet, aber Ihr Browser hat das Cookie dafür nicht behalten. Erlauben Sie dieser Website Cookies, und melden Sie sich erneut an.',
      http: 'Sie haben sich angemeldet, aber Ihr Browser hat das Cookie dafür nicht behalten. Über http ohne Verschlüsselung behält Safari keine sicheren Cookies. Verwenden Sie einen anderen Browser oder https.',
    },
    unavailable:
      'Sie sind nicht angemeldet: Die Anmeldung funktioniert gerade nicht. Versuchen Sie es in Kürze noch einmal.',
    tooManyAttempts: (waitSec) =>
      `Zu viele Versuche. Versuchen Sie es in ${waitSec} ${waitSec === 1 ? 'Sekunde' : 'Sekunden'} noch einmal.`,
  },
  loggedIn: {
    title: 'Sie sind angemeldet',
    as: (subject) => html`Sie sind als ${subject} angemeldet.`,
  },
  logout: {
    title: 'Abmelden?',
    everywhere: 'Auf allen Geräten abmelden',
    stay: 'Angemeldet bleiben',
  },
  loggedOut: {
    title: 'Sie sind abgemeldet',
    detail: 'Ihre Sitzung ist beendet.',
    goesOn: (provider) => `Ihre Sitzung hier ist beendet. Bei ${provider} sind Sie vielleicht noch angemeldet.`,
    atProvider: (provider) => `Bei ${provider} abmelden`,
  },
  sessions: {
    title: 'Ihre Sitzungen',
    intro: (subject) => html`Diese Geräte sind als ${subject} angemeldet. Beenden Sie Sitzungen, die Sie nicht kennen.`,
    thisDevice: 'Dieses Gerät',
    browserOn: (browser, system) => `${browser} unter ${system}`,
    unknownDevice: 'Unbekanntes Programm',
    openedBy: (backend) => `Geöffnet von ${backend}`,
    opened: 'Geöffnet',
    lastSeen: 'Zuletzt gesehen',
    from: 'Von',
    loggedInBy: 'Angemeldet über',
    methods: {
      password: 'Passwort',
      backend: 'eine andere Anwendung',
      oidc: 'einen Identitätsanbieter',
      commandLine: 'Ihre Zustimmung im Browser',
    },
    end: 'Sitzung beenden',
    endOthers: 'Alle anderen Sitzungen beenden',
  },
  commandLine: {
    title: 'Die Kommandozeile einlassen?',
    asks: (host, subject) =>
      html`Das Programm ${html`<strong>sallyport</strong>`} auf diesem Computer möchte ${host} als ${subject} verwenden.`,
    allowOnlyIf:
      'Erlauben Sie das nur, wenn Sie es gerade selbst gestartet haben, in einem Terminal auf diesem Computer.',
    deviceTitle: 'Dieses Terminal einlassen?',
    deviceAsks: (code, host, subject) =>
      html`Ein Terminal, das den Code ${code} zeigt, möchte ${host} als ${subject} verwenden.`,
    deviceIs: (device, askedAt) => html`Es ist ${device} und hat um ${askedAt} angefragt.`,
    elsewhere: 'Das ist nicht das Netz, in dem dieser Browser ist.',
    refuseIf:
      'Erlauben Sie das nur, wenn Sie es selbst gestartet haben. Hat Ihnen jemand den Code geschickt, lehnen Sie ab: Er wäre sonst unter Ihrem Namen angemeldet.',
    whatItGets: (scopes, expiresAt) =>
      html`Es könnte tun, was Sie hier tun können${scopes === null ? null : html`, mit den Scopes ${scopes}`}, längstens bis ${expiresAt}, oder bis Sie es unter „Ihre Sitzungen“ beenden.`,
    allow: 'Erlauben',
    refuse: 'Ablehnen',
    decideAgain:
      'Sie haben sich neu angemeldet, seit diese Seite gezeigt wurde. Lesen Sie sie, und entscheiden Sie noch einmal.',
    codeTitle: 'Ein Terminal anmelden',
    codeIntro: 'Geben Sie den Code ein, den Ihr Terminal zeigt.',
    code: 'Code',
    codeWarning:
      'Geben Sie keinen Code ein, den Ihnen jemand geschickt hat: Er wäre sonst unter Ihrem Namen angemeldet.',
    typeAgain: 'Sie haben sich inzwischen neu angemeldet. Geben Sie den Code noch einmal ein.',
    allowed: {
      title: 'Das Terminal ist angemeldet',
      detail: 'Kehren Sie zu ihm zurück. Sie können diese Seite schließen.',
    },
    refused: {
      title: 'Das Terminal wurde abgelehnt',
      detail: 'Es hat nichts erhalten. Sie können diese Seite schließen.',
    },
  },
  ending: {
    titleSoon: 'Ihre Sitzung endet gleich',
    titleLater: 'Ihre Sitzung',
    unused: (until, at) => html`Ihre Sitzung endet ${until}, am ${at}, wenn Sie sie bis dahin nicht nutzen.`,
    anyway: (until, at) =>
      html`Ihre Sitzung endet ${until}, am ${at}. Um danach fortzufahren, melden Sie sich erneut an.`,
    stay: 'Angemeldet bleiben',
    logInNow: 'Jetzt erneut anmelden',
    refreshes: 'Diese Seite aktualisiert sich jede Minute. Davon bleiben Sie nicht angemeldet.',
    refreshOff: 'Diese Seite nicht aktualisieren',
  },
};
