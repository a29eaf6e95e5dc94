package httpcache

import (
	"net/http"
	"slices"
	"strings"
)

// What a response varies on (RFC 9111 §4.1): what its Vary says, and what it
// shows to vary on though the origin forgot to say so. The latter keeps a
// response from those for whom it was not made; it never gives one to more.

// selecting are request fields by which applications answer with a part of a
// page, with data instead of it, or (Content-Type of a request without content)
// with an error. Those that forget Vary would have one client's fragment stored
// for all.
var selecting = [...]string{
	"Content-Type",
	"Hx-Boosted", "Hx-Request", "Hx-Target",
	"Next-Router-Prefetch", "Next-Router-Segment-Prefetch", "Next-Router-State-Tree", "Next-Url", "Rsc",
	"Turbo-Frame", "X-Fetch", "X-Inertia", "X-Inertia-Partial-Data", "X-Middleware-Prefetch", "X-Nextjs-Data",
	"X-Pjax", "X-Pjax-Container", "X-Requested-With", "X-Up-Mode", "X-Up-Target",
}

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

// bySelection separates what was asked for by one of the selecting fields.
func (r *response) bySelection() Reason {
	for _, name := range selecting {
		if hasLines(r.RequestHeader, name) && isSelecting(r.Method, name) {
			r.variesOn(name)
		}
	}
	return None
}

// isSelecting reports what selects in requests with a method: the type of content
// that there is says what the content is.
func isSelecting(method, name string) bool {
	return name != "Content-Type" || method != http.MethodPost && method != methodQuery
}

// AsksApart reports a request with a selecting field that is not among the
// names of vary: what the origin answers to it, if only with a 304, says nothing
// about a response that does not vary on it.
func AsksApart(method string, request http.Header, vary []string) bool {
	for _, name := range selecting {
		if hasLines(request, name) && isSelecting(method, name) && !containsName(vary, name) {
			return true
		}
	}
	return false
}

// keepSelection is bySelection for a stored response that is freshened: it
// stays for whom it was made, whoever asked now.
func (r *response) keepSelection(vary []string) {
	for _, name := range vary {
		if name == "Origin" || slices.Contains(selecting[:], name) {
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
