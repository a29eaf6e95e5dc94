package httpcache

import "testing"

func TestMismatchesType(t *testing.T) {
	tests := []struct {
		name, path, contentType string
		want                    bool
	}{
		{"page as style sheet", "/account/x.css", "text/html", true},
		{"page with parameters", "/account/x.css", "Text/HTML; charset=utf-8", true},
		{"XHTML", "/account/x.png", "application/xhtml+xml", true},
		{"JSON as picture", "/api/me/a.jpg", "application/json", true},
		{"other JSON as script", "/api/me/a.js", "application/ld+json", true},
		{"JSON as JSON", "/api/me.json", "application/json", false},
		{"JSON as source map", "/a.js.map", "application/json", false},
		{"page as JSON", "/api/me.json", "text/html", true},
		{"page as text", "/robots.txt", "text/html", true},
		{"JSON as text", "/a.txt", "application/json", false},
		{"page as feed", "/feed.xml", "text/html", true},
		{"upper-case extension", "/account/X.CSS", "text/html", true},
		{"encoded dot", "/account/x%2ecss", "text/html", true},
		{"encoded slash", "/account%2fx.css", "text/html", true},
		{"encoded delimiters", "/account%3b%0a%3fx.css", "text/html", true},
		{"path parameter", "/account;x.css", "text/html", true},
		{"trailing slash", "/account/x.css/", "text/html", true},
		{"broken encoding", "/account/%zz.css", "text/html", true},
		{"extension in a directory only", "/x.css/account", "text/html", false},
		{"page", "/account", "text/html", false},
		{"page extension", "/a.html", "text/html", false},
		{"program extension", "/a.php", "text/html", false},
		{"unknown extension", "/john.doe", "text/html", false},
		{"wrong but harmless type", "/a.png", "image/webp", false},
		{"script as text", "/a.js", "text/plain", false},
		{"bytes", "/a.zip", "application/octet-stream", false},
		{"no type", "/a.zip", "", false},
		{"no path", "", "text/html", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := MismatchesType(tt.path, tt.contentType); got != tt.want {
				t.Errorf("MismatchesType(%q, %q) = %v, want %v", tt.path, tt.contentType, got, tt.want)
			}
		})
	}
}
