package httpcache

import (
	"slices"
	"testing"
)

func TestInvalidatesByMethod(t *testing.T) {
	const target = "https://example.com/a"
	for method, want := range map[string]bool{
		"POST": true, "PUT": true, "DELETE": true, "PATCH": true, "M-SEARCH": true, "FOO": true, "get": true,
		"GET": false, "HEAD": false, "OPTIONS": false, "TRACE": false,
		"QUERY": false, "PROPFIND": false, "REPORT": false, "SEARCH": false,
	} {
		if _, got := Invalidates(method, target, nil, 200, nil); got != want {
			t.Errorf("9111-4.4 %s invalidates: %v, want %v", method, got, want)
		}
	}
	for status, want := range map[int]bool{100: false, 199: false, 200: true, 204: true, 302: true, 399: true, 400: false, 404: false, 500: false} {
		if _, got := Invalidates("POST", target, nil, status, nil); got != want {
			t.Errorf("9111-4.4 a %d to POST invalidates: %v, want %v", status, got, want)
		}
	}
}

func TestInvalidates(t *testing.T) {
	tests := []struct {
		name, target, response string
		want                   []string
	}{
		{"9111-4.4 nothing else", "https://example.com/a", "", nil},
		{"9111-4.4 Location", "https://example.com/a", "Location: https://example.com/b", []string{"https://example.com/b"}},
		{"9111-4.4 Content-Location", "https://example.com/a", "Content-Location: https://example.com/b", []string{"https://example.com/b"}},
		{"9111-4.4 both", "https://example.com/a", "Location: /b?x=1\nContent-Location: /c", []string{"https://example.com/b?x=1", "https://example.com/c"}},
		{"9111-4.4 both the same", "https://example.com/a", "Location: /b\nContent-Location: /b", []string{"https://example.com/b"}},
		{"9111-4.4 several lines", "https://example.com/a", "Location: /b\nLocation: /c", []string{"https://example.com/b", "https://example.com/c"}},
		{"9110-10.2.2 relative", "https://example.com/d/a", "Location: b", []string{"https://example.com/d/b"}},
		{"9110-10.2.2 dot segments", "https://example.com/d/a", "Location: ../b/./c", []string{"https://example.com/b/c"}},
		{"9110-10.2.2 network path", "https://example.com/a", "Location: //example.com/b", []string{"https://example.com/b"}},
		{"9110-10.2.2 query only", "https://example.com/a", "Location: ?b", []string{"https://example.com/a?b"}},
		{"9110-10.2.2 fragment", "https://example.com/a", "Location: /b#c", []string{"https://example.com/b"}},
		{"9111-4.4 the target itself", "https://example.com/a", "Location: /a\nContent-Location: #x", nil},
		{"9111-4.4 empty is the target", "https://example.com/a", "Content-Location:", nil},
		{"9111-4.4 another host", "https://example.com/a", "Location: https://example.org/b", nil},
		{"9111-4.4 another scheme", "https://example.com/a", "Location: http://example.com/b", nil},
		{"9111-4.4 another port", "https://example.com/a", "Location: https://example.com:8443/b", nil},
		{"9111-4.4 a subdomain", "https://example.com/a", "Location: https://www.example.com/b", nil},
		{"9110-4.2.3 default port", "https://example.com/a", "Location: HTTPS://EXAMPLE.com:443/b", []string{"https://example.com/b"}},
		{"9110-4.2.3 default port of the target", "http://example.com:80/a", "Location: http://example.com/b", []string{"http://example.com/b"}},
		{"9110-4.2.3 another port of both", "http://example.com:8080/a", "Location: /b", []string{"http://example.com:8080/b"}},
		{"9110-4.2.3 empty path", "http://example.com/a", "Location: http://example.com", []string{"http://example.com/"}},
		{"3986-3.2.2 IPv6", "http://[::1]:80/a", "Location: http://[::1]/b", []string{"http://[::1]/b"}},
		{"3986-3.2.1 user information", "http://example.com/a", "Location: http://me@example.com/b", []string{"http://example.com/b"}},
		{"3986-2.1 encoding stays", "http://example.com/a", "Location: /b%2Fc?d=%20", []string{"http://example.com/b%2Fc?d=%20"}},
		{"3986-3 not a reference", "http://example.com/a", "Location: http://[/b\nContent-Location: /c", []string{"http://example.com/c"}},
		{"3986-3 another kind of URI", "http://example.com/a", "Location: mailto:me@example.com", nil},
		{"3986-3 unknown target", "/a", "Location: /b", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := Invalidates("POST", tt.target, nil, 201, header(tt.response))
			if !ok || !slices.Equal(got, tt.want) {
				t.Errorf("Invalidates = %q, %v; want %q", got, ok, tt.want)
			}
		})
	}
}

func TestInvalidatesDestination(t *testing.T) {
	const target = "https://example.com/dav/a"
	tests := []struct {
		name, method, destination string
		want                      []string
	}{
		{"4918-9.9 MOVE", "MOVE", "https://example.com/dav/b", []string{"https://example.com/dav/b"}},
		{"4918-9.8 COPY", "COPY", "https://example.com/dav/b", []string{"https://example.com/dav/b"}},
		{"4918-10.3 only the path", "MOVE", "/dav/b", []string{"https://example.com/dav/b"}},
		{"9111-4.4 another host", "MOVE", "https://example.org/dav/b", nil},
		{"9111-4.4 no destination of this method", "PUT", "https://example.com/dav/b", nil},
	}
	for _, tt := range tests {
		got, ok := Invalidates(tt.method, target, header("Destination: "+tt.destination), 204, nil)
		if !ok || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, %v, want %v", tt.name, got, ok, tt.want)
		}
	}
	if got, ok := Invalidates("MOVE", target, header("Destination: /dav/b"), 412, nil); ok || got != nil {
		t.Errorf("9111-4.4 an error: %v, %v, want nothing", got, ok)
	}
}
