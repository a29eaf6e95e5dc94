package httpcache

import "strings"

// This file is about responses whose fields lead somewhere, or open something, that
// the request has named in a field of its own: a redirection to what X-My-Host said,
// a policy that lists the Referer. Whoever sends such a field would lead everybody
// there ("Practical Web Cache Poisoning", J. Kettle, 2018). So the response varies on
// that field, whether its origin says so or not.

// leading are response fields that lead somewhere or open something.
var leading = [...]string{
	"Access-Control-Allow-Origin", "Content-Location", "Content-Security-Policy", "Link", "Location",
	"Refresh", "Timing-Allow-Origin", "X-Frame-Options",
}

// minReflected is how long a value must be, in bytes, to be no coincidence.
const minReflected = 4

// byReflection separates what repeats a field of the request where it matters.
func (r *response) byReflection() {
	var shown string // in lower case
	for _, name := range leading {
		for _, value := range r.Header[name] {
			shown += strings.ToLower(value) + "\n"
		}
	}
	if shown == "" || strings.Trim(shown, "*\n") == "" {
		return
	}
	for name, values := range r.RequestHeader {
		if strings.HasPrefix(name, "Sec-") || strings.HasPrefix(name, "Accept") {
			continue // words that stand in policies and links anyway, such as style and image
		}
		for _, value := range values {
			if r.reflects(shown, name, value) {
				r.variesOn(name)
			}
		}
	}
	if location := firstLine(r.Header["Location"]); location != "" {
		r.byLanguage(location)
	}
}

// reflects reports one value of a request field in what is shown. A visitor who comes
// from the site itself names nothing that would be new.
func (r *response) reflects(shown, name, value string) bool {
	if name == "Cookie" {
		for pair := range strings.SplitSeq(value, ";") {
			if _, value, ok := strings.Cut(pair, "="); ok && r.reflects(shown, "", value) {
				return true
			}
		}
		return false
	}
	value = strings.TrimRight(strings.ToLower(trimOWS(value)), "/")
	if len(value) < minReflected || value == "http" || value == "https" || r.isOwn(value) {
		return false
	}
	return strings.Contains(shown, value)
}

// isOwn reports the host of the request, or a URI on it.
func (r *response) isOwn(value string) bool {
	if _, rest, ok := strings.Cut(value, "://"); ok {
		value, _, _ = strings.Cut(rest, "/")
	}
	return r.Host != "" && strings.EqualFold(value, r.Host)
}

// byLanguage separates a redirection to a language that the request prefers, such as
// from / to /de/.
func (r *response) byLanguage(location string) {
	location, _, _ = strings.Cut(location, "?")
	for segment := range strings.SplitSeq(location, "/") {
		if len(segment) < 2 || strings.Contains("/"+r.Path+"/", "/"+segment+"/") {
			continue
		}
		for _, line := range r.RequestHeader["Accept-Language"] {
			for element := range listElements(line) {
				language, _, _ := strings.Cut(element, ";")
				primary, _, _ := strings.Cut(language, "-")
				if strings.EqualFold(segment, trimOWS(language)) || strings.EqualFold(segment, trimOWS(primary)) {
					r.variesOn("Accept-Language")
					return
				}
			}
		}
	}
}
