package requests

import "nanofront/handlers"

// revision is that on which the front has decided about a request; 0: it says none.
func revision(*handlers.Request) int64 { return 0 }

// decided are the version of this service that is meant, and the request's variants of experiments.
func decided(*handlers.Request) (version string, variants map[string]any) {
	return "", map[string]any{}
}
