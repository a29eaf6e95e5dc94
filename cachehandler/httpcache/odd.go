package httpcache

import (
	"net/http"
	"slices"
	"strings"
)

// This file is about errors that one client provokes and everybody would get from
// the cache (CPDoS, "Your Cache Has Fallen", H. V. Nguyen et al., 2019): an origin
// that gives its errors a lifetime does not mean those that are about how, and
// by whom, it was asked.

// isAboutAsking reports an error that says something about the request's fields
// or about who sent it, as far as the status and the request tell. It says nothing
// about a response that is stored. What the origin calls public, or the administrator
// gives a lifetime by its number, is believed in what is about the client alone.
func (r *response) isAboutAsking() bool {
	switch {
	case IsOdd(r.RequestHeader):
		return true
	case r.forEverybody() || r.source == FromOverride || r.source == FromTTL:
		return false
	}
	named := hasLines(r.RequestHeader, "Cookie") && !r.policy.CookieInKey || hasLines(r.RequestHeader, "Origin")
	return named && !isAboutResource(r.Status)
}

// IsRefusal reports an error about who asks (RFC 9110 §15.5.2, §15.5.4): it says
// nothing about a response that is stored.
func IsRefusal(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

// isAboutResource reports an error that is the same for everybody: there is no such
// thing, or not so, or not now.
func isAboutResource(status int) bool {
	switch status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone, http.StatusRequestURITooLong,
		http.StatusUnavailableForLegalReasons, http.StatusNotImplemented,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout: // with a lifetime: spare the origin
		return true
	}
	return false
}

const (
	oddBytes = 4 << 10 // of header: what no ordinary request has but for cookies
	oddLines = 64      // as many as some servers take, less what proxies add
)

// IsOdd reports a request that an error may well be the answer to, whatever is
// stored under its URI: one with a header that is too large for some servers, with
// characters that are no ASCII, with what firewalls look for, or with parameters of
// an object store's API, which refuses them where nothing is signed.
func IsOdd(request http.Header) bool {
	size, lines := 0, 0
	for name, values := range request {
		if isForObjectStores(name) {
			return true
		}
		lines += len(values)
		for _, value := range values {
			size += len(name) + len(value)
			if isOddValue(value) {
				return true
			}
		}
	}
	return size > oddBytes || lines > oddLines
}

// suspicious is what firewalls look for and no ordinary text has: beginnings of tags,
// look-ups and templates, ways up, ends of strings with something behind, line breaks.
var suspicious = [...]string{
	"<", "${", "{{", "$(", "() {", "../", "..\\", "'--", "';", "' or ", "' and ", "\" or ", "union select", "/etc/",
	"%00", "%0a", "%0d", "%3c",
}

func isOddValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c > '~' {
			return true
		}
	}
	value = strings.ToLower(value)
	return slices.ContainsFunc(suspicious[:], func(p string) bool { return strings.Contains(value, p) })
}

// isForObjectStores reports a parameter of an object store's API. What CloudFront, or a
// proxy that lets people through, adds to all requests by such a name is none.
func isForObjectStores(name string) bool {
	for _, beginning := range [...]string{"X-Amz-", "X-Goog-", "X-Ms-", "X-Oss-", "X-Cos-"} {
		if strings.HasPrefix(name, beginning) {
			return name != "X-Amz-Cf-Id" && !identifies(name)
		}
	}
	return false
}
