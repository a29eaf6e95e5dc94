package examples_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// apacheModules is where Debian's apache2 keeps its modules.
const apacheModules = "/usr/lib/apache2/modules"

// apacheConfig is a whole httpd.conf. %[1]s is the address, %[2]s the directory
// of the server, %[3]s its modules.
const apacheConfig = `
ServerRoot %[2]s
ServerName origin.test
Listen %[1]s
PidFile %[2]s/apache.pid
DefaultRuntimeDir %[2]s
ErrorLog %[2]s/logs/error.log

LoadModule mpm_event_module   %[3]s/mod_mpm_event.so
LoadModule authz_core_module  %[3]s/mod_authz_core.so
LoadModule dir_module         %[3]s/mod_dir.so
LoadModule mime_module        %[3]s/mod_mime.so
LoadModule env_module         %[3]s/mod_env.so
LoadModule headers_module     %[3]s/mod_headers.so
LoadModule filter_module      %[3]s/mod_filter.so
LoadModule deflate_module     %[3]s/mod_deflate.so
LoadModule alias_module       %[3]s/mod_alias.so
LoadModule cgi_module         %[3]s/mod_cgi.so
TypesConfig /dev/null
AddType text/html .html
AddType text/css .css
AddType application/octet-stream .bin

# Only read when httpd is started by root, which it does not serve as.
User  www-data
Group www-data

LogFormat "%%>s %%m %%U" request
CustomLog %[2]s/logs/access.log request

DocumentRoot %[2]s/root
<Directory %[2]s/root>
	Require all granted
</Directory>
<Location /short.html>
	Header set Cache-Control max-age=1
</Location>
<Location /packed.html>
	SetOutputFilter DEFLATE
	Header set Cache-Control max-age=60
</Location>
<Location /large.bin>
	Header set Cache-Control max-age=60
</Location>

ScriptAlias /app/ %[2]s/root/cgi/
<Location /app/>
	Require all granted
	SetEnv STATE %[2]s/state
</Location>
`

// The application as CGI. Apache itself answers 304 for a page that has an ETag.
var apachePrograms = map[string]string{
	"slow": `echo x >>"$STATE/slow"
until [ -e "$STATE/gate" ]; do sleep 0.05; done
printf 'Content-Type: text/plain\nCache-Control: max-age=60\n\nslow\n'`,

	"page": `echo "$HTTP_IF_NONE_MATCH" >>"$STATE/page"
if [ "$REQUEST_METHOD" = POST ]; then printf 'Content-Type: text/plain\n\nposted\n'; exit; fi
case "$QUERY_STRING" in age=*) age=${QUERY_STRING#age=} ;; *) age=60 ;; esac
printf 'Cache-Control: max-age=%s\nETag: "v1"\n' "$age"
if [ "$HTTP_IF_NONE_MATCH" = '"v1"' ]; then printf 'Status: 304 Not Modified\n\n'; exit; fi
printf 'Content-Type: text/plain\nContent-Length: 10000\n\n'
i=0; while [ $i -lt 1000 ]; do printf 0123456789; i=$((i+1)); done`,

	"login": `id=$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
printf 'Content-Type: text/plain\nCache-Control: max-age=60\nSet-Cookie: visit=%s; Path=/\n\n%s\n' "$id" "$id"`,

	"session": `printf 'Content-Type: text/plain\n'
id=${HTTP_COOKIE#sid=}
if [ -z "$id" ]; then
	id=$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
	printf 'Set-Cookie: sid=%s; Path=/; HttpOnly\n' "$id"
fi
echo x >>"$STATE/session-$id"
printf '\n%s %s\n' "$id" "$(wc -l <"$STATE/session-$id" | tr -d ' ')"`,

	"upload": `printf 'Content-Type: text/plain\n\n%s\n' "$(sha256sum | cut -d' ' -f1)"`,
}

// startApache runs Apache httpd and returns it with its address.
func startApache(t *testing.T) (*server, string) {
	t.Helper()
	apache := program(t, "apache2", "apache2", "apache2")
	s, addr := newServer(t), freeAddr(t)
	dir := filepath.Dir(s.root)
	for name, text := range apachePrograms {
		s.write("cgi/"+name, "#!/bin/sh\n"+text+"\n", 0o755)
	}
	s.write("short.html", "<p>short-lived</p>\n", 0o644)
	s.write("packed.html", strings.Repeat("<p>packed</p>\n", 1000), 0o644)
	s.write("large.bin", strings.Repeat("0123456789abcdef", 1<<16), 0o644)
	s.write("dir/index.html", "<p>index</p>\n", 0o644)
	config := fmt.Sprintf(apacheConfig, addr, dir, apacheModules)
	file := filepath.Join(dir, "httpd.conf")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	s.run("tcp", addr, apache, "-D", "FOREGROUND", "-f", file)
	return s, addr
}

func TestApache(t *testing.T) {
	origin, addr := startApache(t)
	t.Setenv("APACHE", addr)
	a := &application{
		site:     startSite(t, "apache"),
		origin:   origin,
		path:     func(program string) string { return "/app/" + program },
		received: func(form, _ []byte) string { return digest(form) + "\n" },
	}
	a.check(t)
	t.Run("files are revalidated", a.filesAreRevalidated)
	t.Run("encodings are variants", a.encodingsAreVariants)
	t.Run("encodings stay variants when validated", a.encodingsStay)
	t.Run("answers as without Portico", func(t *testing.T) { a.unchanged(t, "http://"+addr) })
}

// Apache's own validators: a file that expired is validated by its ETag, and
// Apache sends no body.
func (a *application) filesAreRevalidated(t *testing.T) {
	a.get("/short.html")
	eventually(t, "the file to be validated", func() bool {
		r := a.get("/short.html")
		r.want(t, 200, "<p>short-lived</p>\n")
		status, _ := r.cacheStatus(t).Get("fwd-status")
		return status == int64(304)
	})
	eventually(t, "Apache to log it", func() bool {
		return strings.Contains(a.origin.log("access.log"), "304 GET /short.html\n")
	})
}

// mod_deflate packs for those who accept it and says so in Vary: each gets
// what it can read, and each is a hit the second time (RFC 9111 §4.1).
func (a *application) encodingsAreVariants(t *testing.T) {
	want := strings.Repeat("<p>packed</p>\n", 1000)
	for visit := range 2 {
		plain := a.get("/packed.html", "Accept-Encoding: identity")
		plain.want(t, 200, want)
		packed := a.get("/packed.html", "Accept-Encoding: gzip, deflate")
		if got := unpack(t, packed); got != want {
			t.Errorf("unpacked %d bytes, want %d", len(got), len(want))
		}
		if strings.EqualFold(plain.Header.Get("Etag"), packed.Header.Get("Etag")) {
			t.Errorf("both encodings have the ETag %s", plain.Header.Get("Etag"))
		}
		if visit == 1 && (!plain.hit(t) || !packed.hit(t)) {
			t.Errorf("second visit: %s, %s; want hits", plain.Header.Get("Cache-Status"), packed.Header.Get("Cache-Status"))
		}
	}
}

// encodingsStay: what a validation brings is still what each can read.
func (a *application) encodingsStay(t *testing.T) {
	want := strings.Repeat("<p>packed</p>\n", 1000)
	for range 2 {
		if got := unpack(t, a.get("/packed.html", "Accept-Encoding: gzip, deflate", "Cache-Control: no-cache")); got != want {
			t.Errorf("unpacked %d bytes, want %d", len(got), len(want))
		}
		a.get("/packed.html", "Accept-Encoding: identity", "Cache-Control: no-cache").want(t, 200, want)
	}
}

// unchanged compares every answer, cold and warm, with what Apache itself says.
func (a *application) unchanged(t *testing.T, direct string) {
	tests := []struct {
		name, method, path string
		fields             []string
	}{
		{"a file", "GET", "/large.bin", nil},
		{"HEAD", "HEAD", "/large.bin", nil},
		{"9110-14.2 a range", "GET", "/large.bin", []string{"Range: bytes=1000-1999"}},
		{"9110-14.2 the first byte", "GET", "/large.bin", []string{"Range: bytes=0-0"}},
		{"9110-13.1.3 modified since", "GET", "/large.bin", []string{"If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT"}},
		{"9110-13.1.5 If-Range of another version", "GET", "/large.bin", []string{"Range: bytes=0-0", `If-Range: "other"`}},
		{"9110-15.4.2 a redirect", "GET", "/dir", nil},
		{"an index", "GET", "/dir/", nil},
		{"9110-15.5.5 not found", "GET", "/nothing", nil},
		{"9110-15.5.4 forbidden", "GET", "/cgi", nil},
		{"9110-9.3.7 OPTIONS", "OPTIONS", "/large.bin", nil},
		{"an unknown method", "BREW", "/large.bin", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, direct+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = strings.TrimPrefix(a.base, "http://")
			want := a.send(a.client, req, tt.fields...)
			for _, state := range []string{"cold", "warm"} {
				got := a.do(tt.method, tt.path, nil, tt.fields...)
				got.want(t, want.Status, string(want.Body))
				if diff := cmp.Diff(originFields(want), originFields(got)); diff != "" {
					t.Errorf("fields, %s (-Apache +Portico):\n%s", state, diff)
				}
			}
		})
	}
}
