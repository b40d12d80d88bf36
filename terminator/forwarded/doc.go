// Package forwarded finds out who the client is, from its address and from what trusted proxies say
// in X-Forwarded-For, -Proto and -Host and in Forwarded (RFC 7239), and composes the fields that
// tell the next hop.
//
//	policy, err := forwarded.NewPolicy([]string{"10.0.0.0/8"}) // whose word is taken
//	values, scratch := forwarded.Resolve(policy, &request, scratch)
//
// What others say about the client is ignored. Composed values are in the caller's scratch memory,
// and are valid as long as it is.
package forwarded
