package httpcache

// reasonEntry is what a Reason says: a token for machines, a sentence for
// people, and the clause behind it ("" where it is an option's).
type reasonEntry struct{ token, text, section string }

var reasonTable = [reasonCount]reasonEntry{
	None: {"none", "No decision was taken.", ""},

	Method:         {"method", "The method is neither GET nor HEAD, so the answer comes from the origin.", "RFC 9111 §3"},
	Upgrade:        {"upgrade", "The request asks to change the protocol of the connection.", "RFC 9110 §7.8"},
	RequestBody:    {"request-body", "The request has content, which is not part of the key.", "RFC 9110 §9.3.1"},
	Bypassed:       {"bypassed", "The bypass option excludes the request.", ""},
	SkipStore:      {"skip-store", "The skip_store option excludes the response.", ""},
	RequestNoStore: {"request-no-store", "The request says no-store.", "RFC 9111 §5.2.1.5"},
	PassMemory:     {"pass-memory", "The last answers under this key were not storable, so the request does not wait.", ""},
	RangeRequest:   {"range-request", "A part was asked for and nothing whole is stored.", "RFC 9110 §14.2"},
	WaitTimeout:    {"wait-timeout", "The fetch of another request took too long to wait for.", ""},
	StoreFailed:    {"store-failed", "The store did not answer.", ""},
	StoreFull:      {"store-full", "Slow clients still read too much of what the store has dropped.", ""},
	KeyTooLong:     {"key-too-long", "The key is longer than the bound.", ""},
	ForOrigin:      {"for-origin", "If-Match and If-Unmodified-Since are the origin's to evaluate.", "RFC 9111 §4.3.2"},

	Storable:           {"storable", "The response may be stored.", "RFC 9111 §3"},
	NoStore:            {"no-store", "The response says no-store.", "RFC 9111 §5.2.2.5"},
	Private:            {"private", "The response is for one user.", "RFC 9111 §5.2.2.7"},
	Authorization:      {"authorization", "The request is authenticated and the response does not allow sharing.", "RFC 9111 §3.5"},
	CookieRequest:      {"cookie-request", "The request has a Cookie and the response does not say that it is for everybody.", ""},
	HasSetCookie:       {"set-cookie", "The response sets a cookie.", "RFC 9111 §7.3"},
	VaryAny:            {"vary-any", "The response varies on more than can be compared.", "RFC 9111 §4.1"},
	NoLifetime:         {"no-lifetime", "The response gives no lifetime, none can be estimated, and it has no validator.", "RFC 9111 §3"},
	StatusNotCacheable: {"status-not-cacheable", "Responses with this status are not stored.", "RFC 9111 §3"},
	MustUnderstand:     {"must-understand", "The response must be understood and its status is not.", "RFC 9111 §5.2.2.3"},
	PartialContent:     {"partial-content", "The response is a part only.", "RFC 9111 §3.3"},
	Stream:             {"stream", "The response is a stream that is not to be held.", "RFC 10036"},
	HasTrailer:         {"trailer", "The response announces trailers.", "RFC 9110 §6.5"},
	TooLarge:           {"too-large", "The response is larger than max_object_size.", ""},
	TypeMismatch:       {"type-mismatch", "The content is not what the extension in the path says (web cache deception).", ""},
	TooManyTags:        {"too-many-tags", "The response has more cache groups or purge tags than are kept.", "RFC 9875 §2"},

	Fresh:           {"fresh", "The stored response is fresh.", "RFC 9111 §4.2"},
	Expired:         {"expired", "The stored response is stale.", "RFC 9111 §4.2"},
	NoCache:         {"no-cache", "The response says no-cache: it is validated before each use.", "RFC 9111 §5.2.2.4"},
	MustRevalidate:  {"must-revalidate", "The response is stale and forbids use without validation.", "RFC 9111 §4.2.4"},
	RequestNoCache:  {"request-no-cache", "The request asks for validation.", "RFC 9111 §5.2.1.4"},
	RequestMaxAge:   {"request-max-age", "The stored response is older than the request takes.", "RFC 9111 §5.2.1.1"},
	RequestMinFresh: {"request-min-fresh", "The stored response does not stay fresh as long as the request wants.", "RFC 9111 §5.2.1.3"},
	RequestMaxStale: {"request-max-stale", "The stored response is stale, and the request takes it.", "RFC 9111 §5.2.1.2"},
	WhileRevalidate: {"stale-while-revalidate", "The stored response is stale and used while it is refreshed.", "RFC 5861 §3"},
	OnError:         {"stale-if-error", "The origin failed, and the stored response is used instead.", "RFC 5861 §4"},
	NotModified:     {"not-modified", "The origin validated the stored response.", "RFC 9111 §4.3.3"},
	OtherValidator:  {"other-validator", "The origin's 304 is about another response.", "RFC 9111 §4.3.4"},
	OnlyIfCached:    {"only-if-cached", "Nothing usable is stored, and the request wants nothing else.", "RFC 9111 §5.2.1.7"},
	VaryMiss:        {"vary-miss", "Responses are stored under the key, but none for a request like this.", "RFC 9111 §4.1"},
	URIMiss:         {"uri-miss", "Nothing is stored under the key.", "RFC 9111 §4"},
	Collapsed:       {"collapsed", "The answer is shared with a concurrent request.", "RFC 9211 §2.6"},
	OriginFailed:    {"origin-failed", "The origin failed or did not answer.", "RFC 9111 §4.3.3"},
}
