// Package forwarded finds out who the client is, by its address and by what trusted proxies say of it in
// X-Forwarded-For, -Proto and -Host and in Forwarded (RFC 7239), and composes the fields with which the next hop is told.
//
//	policy, err := forwarded.NewPolicy([]string{"10.0.0.0/8"}) // whose word is taken
//	values, scratch := forwarded.Resolve(policy, &request, scratch)
//
// What anybody else says of the client counts for nothing. All that is composed lies in the scratch memory that
// the caller gives, and lives as long.
package forwarded
