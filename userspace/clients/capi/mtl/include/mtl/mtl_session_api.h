#include <onair_mtl.h>
