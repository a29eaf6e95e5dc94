package httpcache

import (
	"net/http"
	"slices"
	"strings"
)

// What a response varies on (RFC 9111 §4.1): what its Vary says, and what it
// shows to vary on though the origin forgot to say so. The latter keeps a
// response from those for whom it was not made; it never gives one to more.

// selecting are request fields by which applications answer with a part of a page,
// with data instead of it, with less than usual, or with an error. Those that forget
// Vary would have one client's fragment stored for all. None is one that browsers
// send with everything, so the page itself stays one for all of them.
var selecting = func() map[string]bool {
	all := make(map[string]bool)
	for _, names := range [...][]string{ofFragments, ofNegotiation, ofCredentials} {
		for _, name := range names {
			all[name] = true
		}
	}
	return all
}()

// ofFragments say that a script asks, and which part of the page it wants.
var ofFragments = []string{
	"Ajax", "Datastar-Request", "Faces-Request",
	"Hx-Boosted", "Hx-History-Restore-Request", "Hx-Prompt", "Hx-Request", "Hx-Target", "Hx-Trigger", "Hx-Trigger-Name",
	"Next-Hmr-Refresh", "Next-Router-Prefetch", "Next-Router-Segment-Prefetch", "Next-Router-State-Tree", "Next-Url", "Rsc",
	"Turbo-Frame", "Wicket-Ajax", "X-Ajax", "X-Alpine-Request", "X-Alpine-Target", "X-Barba", "X-Fetch",
	"X-Inertia", "X-Inertia-Error-Bag", "X-Inertia-Partial-Component", "X-Inertia-Partial-Data",
	"X-Inertia-Partial-Except", "X-Inertia-Reset", "X-Inertia-Version", "X-Livewire", "X-Livewire-Navigate",
	"X-Middleware-Prefetch", "X-Nextjs-Data", "X-Nextjs-Prefetch", "X-October-Request-Partials", "X-Pagelet-Fragment",
	"X-Pjax", "X-Pjax-Container", "X-Pjax-Version", "X-Render-Partial", "X-Requested-With", "X-Sveltekit-Invalidated",
	"X-Up-Context", "X-Up-Fail-Mode", "X-Up-Fail-Target", "X-Up-Mode", "X-Up-Target", "X-Up-Validate", "X-Up-Version",
	"X-Winter-Request-Partials", "X-Xmlhttprequest",
}

// ofNegotiation ask for another form of the same, or for less of it because nobody
// looks at it yet; the type of content that there is none of makes some refuse.
var ofNegotiation = []string{
	"A-Im", "Accept-Charset", "Accept-Datetime", "Accept-Features", "Accept-Version", "Api-Version", "Content-Type",
	"Debug", "Negotiate", "Prefer", "Save-Data", "Translate", "X-Accept-Version", "X-Api-Version", "X-Debug",
	"X-Response-Format", "X-Subdomain",
	"Purpose", "Sec-Purpose", "X-Moz", "X-Purpose",
}

// ofCredentials say who asks, beside Authorization and cookies.
var ofCredentials = []string{
	"Access-Token", "Api-Key", "Apikey", "Auth-Token", "Dpop", "Private-Token", "X-Access-Token", "X-Amz-Security-Token",
	"X-Api-Key", "X-Api-Token", "X-Apikey", "X-Auth", "X-Auth-Email", "X-Auth-Key", "X-Auth-Token", "X-Auth-User",
	"X-Authentication", "X-Authorization", "X-Gitlab-Token", "X-Jwt", "X-Jwt-Assertion", "X-Session", "X-Session-Id",
	"X-Session-Token", "X-Shopify-Access-Token", "X-Token", "X-User", "X-User-Id", "X-User-Token", "X-Vault-Token",
}

// IsSelecting reports one of the selecting fields by its canonical name.
func IsSelecting(name string) bool { return selecting[name] }

func (r *response) byVary() Reason {
	vary, ok := parseVary(r.Header["Vary"], r.policy.VaryIgnore)
	if !ok || r.policy.HostIgnored && containsName(vary, "Host") {
		return VaryAny
	}
	r.vary = vary
	for _, line := range r.Header["Content-Encoding"] {
		for coding := range listElements(line) {
			if why := r.byCoding(coding); why != None {
				return why
			}
		}
	}
	if r.isForOrigin() {
		r.variesOn("Origin")
	}
	if r.isForProgram() {
		r.variesOn("Accept")
	}
	r.byReflection()
	return None
}

// byCoding: content that is coded is for those who accept the coding; what is sent
// to one who does not is for nobody. What is coded with a dictionary is for those
// who have it (RFC 9842 §6.2), so it needs Vary on it, and on the coding, which no
// option takes away here.
func (r *response) byCoding(coding string) Reason {
	const accept, dictionary = "Accept-Encoding", "Available-Dictionary"
	if excludesCoding(r.RequestHeader, coding) {
		return VaryAny
	}
	if (strings.EqualFold(coding, "dcb") || strings.EqualFold(coding, "dcz")) &&
		(!containsName(r.vary, dictionary) || containsName(r.policy.VaryIgnore, accept)) {
		return VaryAny
	}
	r.variesOn(accept)
	return None
}

// isForOrigin reports a response that was opened to the site that asked (Fetch
// §3.3): to any other it is closed.
func (r *response) isForOrigin() bool {
	allowed, origin := r.Header["Access-Control-Allow-Origin"], r.RequestHeader["Origin"]
	return len(allowed) > 0 && len(origin) > 0 && allowed[0] != "*" && allowed[0] == origin[0]
}

// isForProgram reports JSON or text for one who asked for that and for no page: under
// the same URI browsers may get the page, unless its name says what it is. Feeds are
// not looked at: every reader asks for them in other words.
func (r *response) isForProgram() bool {
	accept := r.RequestHeader["Accept"]
	if len(accept) == 0 {
		return false
	}
	content := classOfType(firstLine(r.Header["Content-Type"]))
	if content != classJSON && content != classText || classOfExtension(extension(r.Path)) != classOther {
		return false
	}
	asked := false
	for _, line := range accept {
		for element := range listElements(line) {
			switch classOfType(element) {
			case content:
				asked = true
			case classHTML:
				return false
			}
		}
	}
	return asked
}

// bySelection separates what was asked for by one of the selecting fields.
func (r *response) bySelection() Reason {
	for name := range r.RequestHeader {
		if selects(r.Method, r.RequestHeader, name) {
			r.variesOn(name)
		}
	}
	return None
}

// selects reports a selecting field of a request: the type of content that there is
// says what the content is.
func selects(method string, request http.Header, name string) bool {
	return selecting[name] && len(request[name]) > 0 &&
		(name != "Content-Type" || method != http.MethodPost && method != methodQuery)
}

// AsksApart reports a request with a selecting field that is not among the
// names of vary: what the origin answers to it, if only with a 304, says nothing
// about a response that does not vary on it.
func AsksApart(method string, request http.Header, vary []string) bool {
	for name := range request {
		if selects(method, request, name) && !containsName(vary, name) {
			return true
		}
	}
	return false
}

// keepSelection is bySelection for a stored response that is freshened: it
// stays for whom it was made, whoever asked now.
func (r *response) keepSelection(s *Stored) {
	said, _ := parseVary(s.Fields.Values("Vary"), nil)
	for _, name := range s.Vary {
		if name == "Origin" || selecting[name] || !containsName(said, name) {
			r.variesOn(name)
		}
	}
}

func (r *response) variesOn(name string) {
	if !containsName(r.vary, name) && !containsName(r.policy.VaryIgnore, name) {
		r.vary = append(r.vary, name)
		slices.Sort(r.vary)
	}
}
