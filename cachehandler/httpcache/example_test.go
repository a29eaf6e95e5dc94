package httpcache_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
)

var start = time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)

// A response goes through the package from Store to Reuse.
func Example() {
	policy := httpcache.DefaultPolicy()
	stored, why := httpcache.Store(&httpcache.Exchange{
		Method:        http.MethodGet,
		RequestHeader: http.Header{},
		Status:        http.StatusOK,
		Header: http.Header{
			"Cache-Control": {"max-age=60, stale-while-revalidate=30"},
			"Etag":          {`"v1"`},
		},
		RequestTime:  start,
		ResponseTime: start,
	}, &policy)
	fmt.Println(why)

	for _, after := range []time.Duration{10 * time.Second, 70 * time.Second, 2 * time.Minute} {
		_, why := policy.Reuse(stored, http.Header{}, start.Add(after))
		fmt.Println(after, why)
	}

	request := http.Header{}
	stored.Validate(request)
	fmt.Println(request)
	// Output:
	// storable
	// 10s fresh
	// 1m10s stale-while-revalidate
	// 2m0s expired
	// map[If-None-Match:["v1"]]
}

func ExampleStore() {
	exchange := &httpcache.Exchange{
		Method:        http.MethodGet,
		RequestHeader: http.Header{"Authorization": {"Bearer x"}},
		Status:        http.StatusOK,
		Header:        http.Header{"Cache-Control": {"max-age=60"}},
		RequestTime:   start,
		ResponseTime:  start,
	}
	policy := httpcache.DefaultPolicy()
	_, why := httpcache.Store(exchange, &policy)
	fmt.Println(why.Text())
	fmt.Println(why.Section())
	// Output:
	// The request is authenticated and the response does not allow sharing.
	// RFC 9111 §3.5
}

func ExamplePolicy_Variant() {
	policy := httpcache.DefaultPolicy()
	vary := []string{"Accept-Encoding"}
	a := policy.Variant(vary, http.Header{"Accept-Encoding": {"gzip, br;q=1.0"}})
	b := policy.Variant(vary, http.Header{"Accept-Encoding": {"BR,gzip"}})
	c := policy.Variant(vary, http.Header{"Accept-Encoding": {"gzip"}})
	fmt.Println(a == b, a == c)
	// Output: true false
}

func ExampleRanges() {
	stored := &httpcache.Stored{Status: http.StatusOK}
	ranges, status := httpcache.Ranges(stored, http.Header{"Range": {"bytes=0-9, 5-19, -5"}}, 100)
	fmt.Println(status, ranges)
	// Output: 206 [{0 20} {95 5}]
}

func ExampleStatus_Append() {
	status := httpcache.Status{
		Name: "Portico", Fwd: "stale", FwdStatus: http.StatusNotModified,
		HasTTL: true, TTL: time.Minute, Key: `https://example.com/?q="a"`,
	}
	fmt.Println(string(status.Append(nil)))
	// Output: Portico; fwd=stale; fwd-status=304; ttl=60; key="https://example.com/?q=\"a\""
}

func ExampleInvalidates() {
	others, ok := httpcache.Invalidates(http.MethodPost, "https://example.com/list", nil, http.StatusCreated,
		http.Header{"Location": {"/item/7"}})
	fmt.Println(ok, others)
	// Output: true [https://example.com/item/7]
}
