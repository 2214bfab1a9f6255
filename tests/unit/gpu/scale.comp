// Every word times the factor plus the constant, for the gpu room's tests.
#version 450
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint ADDED = 0;
layout(push_constant) uniform Push { uint count; uint factor; };
layout(std430, binding = 0) readonly buffer Input { uint from[]; };
layout(std430, binding = 1) writeonly buffer Output { uint to[]; };
void main() {
  uint i = gl_GlobalInvocationID.x;
  if (i < count) to[i] = from[i] * factor + ADDED;
}
