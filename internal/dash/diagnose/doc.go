// Package diagnose says in words what is wrong with a system: whether users are hurt, how many and
// since when, which service and process it comes from, and what to do. It knows nothing but a
// view.View, so that what it says of a situation can be told from a table.
//
//	d := diagnose.New()
//	d.Judge(v) // each second; fills in Level, Sentence, Problems, and the levels of what is in v
//
// Red is for users who are hurt now, and for nothing else: amber is for what is degraded while
// they are served, unknown for what isn't heard, intended for what somebody has asked for.
package diagnose
