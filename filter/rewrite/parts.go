package rewrite

import "strings"

// cutScheme cuts the scheme off a reference that names a place: an absolute one of
// the web's schemes, or one that begins with two slashes (RFC 3986 §4.2), of which
// the scheme is "".
func cutScheme(ref string) (scheme, rest string, absolute bool) {
	ref = strings.TrimLeft(ref, " \t")
	if len(ref) > 1 && isSlash(ref[0]) && isSlash(ref[1]) {
		return "", strings.TrimLeft(ref, `/\`), true
	}
	before, after, found := strings.Cut(ref, ":")
	switch scheme = strings.ToLower(before); scheme {
	case "http", "https", "ws", "wss":
		// Browsers need no slashes after these.
		return scheme, strings.TrimLeft(after, `/\`), found
	}
	return "", ref, false
}

func isSlash(c byte) bool { return c == '/' || c == '\\' }

// cutAuthority cuts what comes before the path, query or fragment.
func cutAuthority(rest string) (auth, tail string) {
	if i := strings.IndexAny(rest, `/\?#`); i >= 0 {
		return rest[:i], rest[i:]
	}
	return rest, ""
}

// splitAuthority returns the host, normalised, and the port; user names are no part
// of it. A port that is none makes it no authority.
func splitAuthority(auth string) (host, port string) {
	if i := strings.LastIndexByte(auth, '@'); i >= 0 {
		auth = auth[i+1:]
	}
	if i := strings.LastIndexByte(auth, ':'); i >= 0 && !strings.Contains(auth[i:], "]") && (strings.Count(auth, ":") == 1 || auth[0] == '[') {
		if host, port = auth[:i], auth[i+1:]; strings.Trim(port, "0123456789") != "" {
			return "", ""
		}
		return normalHost(host), port
	}
	return normalHost(auth), ""
}

// normalHost is a host in lower case, without brackets and the dot at its end.
func normalHost(host string) string {
	host = strings.ToLower(host)
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	return strings.TrimSuffix(host, ".")
}

func defaultPort(scheme string) string {
	switch scheme {
	case "http", "ws":
		return "80"
	case "https", "wss":
		return "443"
	}
	return ""
}

// cutPath cuts whole segments off a path with query and fragment.
func cutPath(tail, path string) (below string, ok bool) {
	below, ok = strings.CutPrefix(tail, path)
	return below, ok && (below == "" || strings.IndexByte(`/\?#`, below[0]) >= 0)
}

// withSlash makes a path of what follows an authority.
func withSlash(tail string) string {
	if tail != "" && tail[0] == '\\' {
		return "/" + tail[1:]
	}
	if tail == "" || tail[0] == '/' {
		return tail
	}
	return "/" + tail
}
