// Every word of a texel buffer times the factor plus the constant, for the gpu room's tests.
#version 450
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint ADDED = 0;
layout(push_constant) uniform Push { uint count; uint factor; };
layout(binding = 0) uniform usamplerBuffer from;
layout(std430, binding = 1) writeonly buffer Output { uint to[]; };
void main() {
  int i = int(gl_GlobalInvocationID.x);
  if (i < int(count)) to[i] = texelFetch(from, i).x * factor + ADDED;
}
