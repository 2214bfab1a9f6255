// Works for long, for the test of time-outs.
#version 450
layout(local_size_x = 64) in;
layout(push_constant) uniform Push { uint turns; };
layout(std430, binding = 0) buffer Output { uint to[]; };
void main() {
  uint value = gl_GlobalInvocationID.x;
  for (uint i = 0u; i < turns; i++) value = value * 1664525u + 1013904223u;
  to[gl_LocalInvocationID.x] = value;
}
