package httpcache

import "strings"

// This file names the request fields of selection.go: those by which applications are
// known to choose what they answer.

// selecting are request fields by which applications answer with a part of a page,
// with data instead of it, with less than usual, or with an error. Those that forget
// Vary would have one client's fragment stored for all. None is one that all browsers
// send with everything, so the page itself stays one for them.
var selecting = setOf(ofTargets, ofFragments, ofHaste, ofNegotiation, ofCredentials, ofUserAgents)

// ofPages are those of them by which nobody chooses another picture, recording, font or
// style sheet. Some libraries of requests send Content-Type with everything, or
// X-Requested-With, a browser that fetches ahead Sec-Purpose.
var ofPages = setOf(ofFragments, ofHaste, []string{"Content-Type"})

// ofAsking say who asks. What an origin says is for everybody does not depend on it, as
// with Authorization (RFC 9111 §3.5).
var ofAsking = setOf(ofCredentials)

func setOf(lists ...[]string) map[string]bool {
	all := make(map[string]bool)
	for _, names := range lists {
		for _, name := range names {
			all[name] = true
		}
	}
	return all
}

// ofTargets are taken for a part of the URI or the method by some applications, and
// are too common words to be kept from the others.
var ofTargets = []string{
	"Base", "Command", "Https", "Method", "Path", "Port", "Protocol", "Root", "Scheme", "Ssl", "Uri",
	"Url", "X-Ip", "X-Method", "X-Origin", "X-Referer", "X-Uri", "X-Url",
}

// ofFragments say that a script asks, and which part of the page it wants.
var ofFragments = []string{
	"Ajax", "Datastar-Request", "Faces-Request", "Hx-Boosted", "Hx-History-Restore-Request", "Hx-Prompt",
	"Hx-Request", "Hx-Target", "Hx-Trigger", "Hx-Trigger-Name", "Next-Hmr-Refresh",
	"Next-Router-Prefetch", "Next-Router-Segment-Prefetch", "Next-Router-State-Tree", "Next-Url", "Rsc",
	"Turbo-Frame", "Wicket-Ajax", "X-Ajax", "X-Alpine-Request", "X-Alpine-Target", "X-Barba", "X-Fetch",
	"X-Inertia", "X-Inertia-Error-Bag", "X-Inertia-Partial-Component", "X-Inertia-Partial-Data",
	"X-Inertia-Partial-Except", "X-Inertia-Reset", "X-Inertia-Version", "X-Livewire",
	"X-Livewire-Navigate", "X-Middleware-Prefetch", "X-Nextjs-Data", "X-Nextjs-Prefetch",
	"X-October-Request-Partials", "X-Pagelet-Fragment", "X-Pjax", "X-Pjax-Container", "X-Pjax-Version",
	"X-Render-Partial", "X-Requested-With", "X-Sveltekit-Invalidated", "X-Up-Context", "X-Up-Fail-Mode",
	"X-Up-Fail-Target", "X-Up-Mode", "X-Up-Target", "X-Up-Validate", "X-Up-Version",
	"X-Winter-Request-Partials", "X-Xmlhttprequest",
}

// ofHaste say that nobody looks at it yet, so that less of it may do.
var ofHaste = []string{"Purpose", "Sec-Purpose", "X-Moz", "X-Purpose"}

// ofNegotiation ask for another form of the same; the type of content that there is
// none of makes some refuse.
var ofNegotiation = []string{
	"Accept-Charset", "Accept-Datetime", "Accept-Features", "Accept-Version", "Api-Version",
	"Content-Currency", "Content-Type", "Debug", "Force-Language", "Negotiate", "Prefer", "Save-Data",
	"Store", "Translate", "X-Accept-Version", "X-Api-Version", "X-Country", "X-Currency", "X-Debug",
	"X-Device", "X-Device-Type", "X-Lang", "X-Language", "X-Locale", "X-Org-Id", "X-Organization-Id",
	"X-Region", "X-Response-Format", "X-Site-Id", "X-Store-Id", "X-Subdomain", "X-Tenant", "X-Tenant-Id",
	"X-Theme", "X-Timezone", "X-Workspace-Id",
}

// ofCredentials say who asks, beside Authorization and cookies.
var ofCredentials = []string{
	"Access-Token", "Api-Key", "Apikey", "Auth-Token", "Dpop", "Private-Token", "Secretkey", "Session-Id",
	"Token", "X-Access-Token", "X-Amz-Security-Token", "X-Api-Key", "X-Api-Token", "X-Apikey",
	"X-Apitoken", "X-Auth", "X-Auth-Email", "X-Auth-Key", "X-Auth-Token", "X-Auth-User",
	"X-Authentication", "X-Authorization", "X-Gitlab-Token", "X-Jwt", "X-Jwt-Assertion", "X-Session",
	"X-Session-Id", "X-Session-Token", "X-Shopify-Access-Token", "X-Token", "X-User", "X-User-Email",
	"X-User-Id", "X-User-Token", "X-Username", "X-Vault-Token",
}

// ofUserAgents say what the client is where User-Agent says what stands between, such
// as the compressing proxy of a browser, which sends them with everything. So they are
// looked at only where User-Agent is.
var ofUserAgents = []string{
	"Device-Stock-Ua", "X-Bolt-Phone-Ua", "X-Device-User-Agent", "X-Mobile-Ua", "X-Operamini-Phone-Ua",
	"X-Original-User-Agent", "X-Skyfire-Phone", "X-Ucbrowser-Device-Ua", "X-User-Agent",
}

// IsSelecting reports one of the selecting fields by its canonical name.
func IsSelecting(name string) bool { return selecting[name] }

// ofIdentities begin the fields in which a proxy, or forward_auth, says who it let
// through. They come with everything, so only pages and data are kept apart by them, and
// only where the origin does not say that they are for everybody.
var ofIdentities = [...]string{
	"Cf-Access-", "Iv-User", "Remote-Email", "Remote-Groups", "Remote-Name", "Remote-User", "Shib-",
	"Ssl-Client-", "Tailscale-User-", "X-Amzn-Oidc-", "X-Auth-Request-", "X-Authenticated-",
	"X-Authentik-", "X-Client-Cert", "X-Forwarded-Access-Token", "X-Forwarded-Client-Cert",
	"X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username", "X-Forwarded-User",
	"X-Goog-Authenticated-User-", "X-Goog-Iap-", "X-Ms-Client-Principal", "X-Ms-Token-", "X-Remote-User",
	"X-Ssl-Client-", "X-Webauth-User",
}

// IsCredential reports a field, by its canonical name, that says who asks and is
// nobody else's to see.
func IsCredential(name string) bool {
	switch name {
	case "Authorization", "Cookie", "Proxy-Authorization":
		return true
	}
	return ofAsking[name] || identifies(name)
}

func identifies(name string) bool {
	for _, beginning := range ofIdentities {
		if strings.HasPrefix(name, beginning) {
			return true
		}
	}
	return false
}
