package httpcache

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Invalidation (RFC 9111 §4.4).

// Invalidates lists the URIs, beside the request's own, whose stored responses
// an answer to an unsafe (or unknown) method invalidates (RFC 9111 §4.4):
// Location and Content-Location of the same origin as target, and Destination of a
// COPY or MOVE, absolute, without fragment, scheme and host in lower case and without a
// default port. ok is false if nothing is invalidated (safe method or error status).
func Invalidates(method, target string, request http.Header, status int, response http.Header) (others []string, ok bool) {
	if isSafe(method) || status < 200 || status > 399 {
		return nil, false
	}
	base, err := url.Parse(target)
	if err != nil || base.Host == "" {
		return nil, true
	}
	self := absoluteURI(base)
	for _, reference := range changed(method, request, response) {
		uri, err := base.Parse(trimOWS(reference))
		if err != nil || !sameOrigin(uri, base) {
			continue
		}
		if other := absoluteURI(uri); other != self && !slices.Contains(others, other) {
			others = append(others, other)
		}
	}
	return others, true
}

// changed are references to what a request may have changed beside its target.
func changed(method string, request, response http.Header) []string {
	all := slices.Concat(response["Location"], response["Content-Location"])
	if method == "COPY" || method == "MOVE" { // RFC 4918 §9.8, §9.9: they make it another
		all = append(all, request["Destination"]...)
	}
	return all
}

// isSafe reports the methods registered as safe (RFC 9110 §9.2.1 and the
// registry it made). Methods are case-sensitive; an unknown one is not safe.
func isSafe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace,
		methodQuery, "PROPFIND", "REPORT", "SEARCH":
		return true
	}
	return false
}

// sameURI reports that reference, resolved against target, is target.
func sameURI(target, reference string) bool {
	base, err := url.Parse(target)
	if err != nil || base.Host == "" {
		return false
	}
	uri, err := base.Parse(trimOWS(reference))
	return err == nil && absoluteURI(uri) == absoluteURI(base)
}

// sameOrigin is RFC 9110 §4.3.1.
func sameOrigin(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && authority(a) == authority(b)
}

// authority is host and port, without a port that the scheme implies.
func authority(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch strings.ToLower(u.Scheme) {
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":")
}

func absoluteURI(u *url.URL) string {
	path := u.EscapedPath()
	if path == "" {
		path = "/" // RFC 9110 §4.2.3
	}
	uri := strings.ToLower(u.Scheme) + "://" + authority(u) + path
	if u.RawQuery != "" || u.ForceQuery {
		uri += "?" + u.RawQuery
	}
	return uri
}
